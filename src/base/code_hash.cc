#include "base/code_hash.h"

#include <link.h>

#include <bit>
#include <cstddef>
#include <cstring>

namespace tq {
namespace {

// Reads whole segments, also what a sanitizer puts between constants. For telling builds apart, nothing more.
__attribute__((no_sanitize("address"))) std::uint64_t add_words(std::uint64_t hash, const std::byte* bytes,
                                                                std::size_t size) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
  for (std::size_t i = 0; i + sizeof hash <= size; i += sizeof hash) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, bytes + i, sizeof word);
    hash = std::rotl((hash ^ word) * kOdd, 29);
  }
  return (hash ^ size) * kOdd;
}

bool holds(const dl_phdr_info& object, const ElfW(Phdr) & segment, std::uintptr_t address) {
  const std::uintptr_t begin = object.dlpi_addr + segment.p_vaddr;
  return segment.p_type == PT_LOAD && address >= begin && address < begin + segment.p_memsz;
}

int add_own_object(dl_phdr_info* object, std::size_t /*size*/, void* result) {
  const auto own = reinterpret_cast<std::uintptr_t>(&code_hash);
  bool is_own = false;
  for (int i = 0; i < object->dlpi_phnum; ++i) is_own = is_own || holds(*object, object->dlpi_phdr[i], own);
  if (!is_own) return 0;
  std::uint64_t hash = 1;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0 || (segment.p_flags & PF_R) == 0) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): where the loader put it
    const auto* begin = reinterpret_cast<const std::byte*>(object->dlpi_addr + segment.p_vaddr);
    hash = add_words(hash, begin, segment.p_filesz);
  }
  *static_cast<std::uint64_t*>(result) = hash;
  return 1;
}

}  // namespace

std::uint64_t code_hash() {
  std::uint64_t hash = 0;
  ::dl_iterate_phdr(add_own_object, &hash);
  return hash;
}

}  // namespace tq
