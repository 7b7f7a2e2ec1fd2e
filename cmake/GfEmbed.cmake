# gf_embed(OUT_CPP NAMESPACE FILES...): a .cpp with the bytes of each file as a std::string_view, made when a file changes;
# `page.layout.js` becomes `page_layout_js`. Run as a script (-DGF_EMBED_OUT=... -DGF_EMBED_FILES=...) it writes the file.
if(GF_EMBED_OUT)
  set(text "#include <string_view>\n\nnamespace ${GF_EMBED_NAMESPACE} {\n")
  string(REPLACE "|" ";" files "${GF_EMBED_FILES}")
  foreach(file IN LISTS files)
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} name)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
    string(APPEND text "static constexpr char k_${name}[] = {${bytes}'\\0'};\n"
      "extern const std::string_view ${name};\n"
      "const std::string_view ${name}(k_${name}, sizeof k_${name} - 1);\n")
  endforeach()
  file(WRITE ${GF_EMBED_OUT} "${text}}  // namespace ${GF_EMBED_NAMESPACE}\n")
  return()
endif()

set(GF_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(gf_embed out namespace)
  string(REPLACE ";" "|" files "${ARGN}")
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DGF_EMBED_OUT=${out} -DGF_EMBED_NAMESPACE=${namespace} "-DGF_EMBED_FILES=${files}"
      -P ${GF_EMBED_SCRIPT}
    DEPENDS ${ARGN} ${GF_EMBED_SCRIPT} COMMENT "Embedding ${out}" VERBATIM)
endfunction()
