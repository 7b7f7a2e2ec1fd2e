#include "facade/sections.h"

#include "schema/format/format.h"

namespace gf {

std::vector<std::string> change_sections(const Program& program, const std::vector<EmitSection>& sections,
                                         const EmitSigner& signer, const ByteSink& sink) {
  std::vector<std::string> notes;
  for (const EmitSection& s : sections)
    if (program.section_count(s.kind) > 0) notes.push_back("section '" + s.kind + "' of the old file was replaced");
  if (program.section_count(format::kSignatureSection) > 0)
    notes.push_back(signer.finish ? "the old signature was replaced"
                                  : "the old signature was dropped, since it cannot hold for other bytes; sign the new file with --sign KEY");
  rewrite(program, sections, signer, sink);
  return notes;
}

}  // namespace gf
