// Checks who signed a model: signed MODEL PUBLIC_KEY_IN_HEX
#include <ghostflow/model.h>
#include <ghostflow/signature.h>

#include <array>
#include <cstdio>
#include <string>

int main(int, char** argv) {
  std::array<std::byte, gf::kPublicKeyBytes> key{};
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(std::stoi(std::string(argv[2] + 2 * i, 2), nullptr, 16));
  const gf::Model model = gf::Model::load(argv[1]);
  std::puts(gf::error_name(gf::verify_signature(model.program(), key)));
  return 0;
}
