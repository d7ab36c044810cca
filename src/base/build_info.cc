#include "base/cpu.h"
#include "tq/version.h"

namespace tq {
namespace {

std::string compiler_name() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#elif defined(__GNUC__)
  return "gcc " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
         std::to_string(__GNUC_PATCHLEVEL__);
#else
  return "an unknown compiler";
#endif
}

}  // namespace

BuildInfo build_info() {
  BuildInfo info{compiler_name(), {}};
  for (const Isa isa : compiled_isas()) info.isas.push_back(isa_name(isa));
  return info;
}

Expected<std::string_view> chosen_isa() {
  const auto isa = select_isa();
  if (!isa) return isa.error();
  return isa_name(*isa);
}

}  // namespace tq
