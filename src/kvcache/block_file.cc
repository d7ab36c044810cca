#include "kvcache/block_file.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/hash.h"
#include "base/sha256.h"

namespace tq {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read and written as they are in memory");

constexpr std::uint32_t kBlockFileVersion = 1;

struct BlockFileHead {
  char magic[8] = {'T', 'Q', 'B', 'L', 'O', 'C', 'K', 0};
  std::uint32_t version = kBlockFileVersion;
  std::uint32_t n_tokens = kPageTokens;
  std::uint64_t page_bytes = 0;
  char parent[64] = {};
  Token tokens[kPageTokens] = {};
};
static_assert(sizeof(BlockFileHead) == 24 + 64 + 4 * kPageTokens);

constexpr std::size_t kChecksum = sizeof(std::uint64_t);
constexpr std::size_t kPagesBegin = sizeof(BlockFileHead) + kChecksum;

BlockFileHead head_of(const BlockText& text, std::size_t page_bytes) {
  BlockFileHead head;
  head.page_bytes = page_bytes;
  std::copy_n(text.parent.begin(), std::min(text.parent.size(), sizeof head.parent), head.parent);
  std::copy_n(text.tokens.begin(), std::min<std::size_t>(text.tokens.size(), kPageTokens), head.tokens);
  return head;
}

std::span<const std::byte> bytes_of(const BlockFileHead& head) { return std::as_bytes(std::span(&head, 1)); }

std::uint64_t checksum_at(std::span<const std::byte> file, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, file.data() + at, sizeof value);
  return value;
}

Error bad_block(const std::string& problem) { return {ErrorCode::kBadFile, problem}; }

}  // namespace

std::string BlockText::key() const {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(parent)));
  hash.update(std::as_bytes(tokens));
  return hash.finish();
}

std::size_t block_file_bytes(std::size_t page_bytes) { return kPagesBegin + page_bytes + kChecksum; }

std::span<std::byte> pages_of_block_file(std::span<std::byte> file) {
  return file.subspan(kPagesBegin, file.size() - kPagesBegin - kChecksum);
}

void seal_block_file(std::span<std::byte> file, const BlockText& text) {
  const auto pages = pages_of_block_file(file);
  const BlockFileHead head = head_of(text, pages.size());
  const std::uint64_t head_sum = hash64(bytes_of(head));
  const std::uint64_t pages_sum = hash64(pages, head_sum);
  std::memcpy(file.data(), &head, sizeof head);
  std::memcpy(file.data() + sizeof head, &head_sum, kChecksum);
  std::memcpy(pages.data() + pages.size(), &pages_sum, kChecksum);
}

Expected<std::span<const std::byte>> parse_block_file(std::span<const std::byte> file, const BlockText& text,
                                                      std::size_t page_bytes) {
  if (file.size() != block_file_bytes(page_bytes)) return bad_block("its length is wrong");
  BlockFileHead head;
  std::memcpy(&head, file.data(), sizeof head);
  if (std::memcmp(head.magic, BlockFileHead().magic, sizeof head.magic) != 0)
    return bad_block("this is no page of a cache");
  if (head.version != kBlockFileVersion)
    return bad_block("it has version " + std::to_string(head.version) + ", and this program reads version " +
                     std::to_string(kBlockFileVersion));
  const BlockFileHead wanted = head_of(text, page_bytes);
  if (std::memcmp(&head, &wanted, sizeof head) != 0)
    return bad_block("it holds another text than its name says");
  const std::uint64_t head_sum = hash64(bytes_of(head));
  const auto pages = file.subspan(kPagesBegin, page_bytes);
  if (checksum_at(file, sizeof head) != head_sum ||
      checksum_at(file, kPagesBegin + page_bytes) != hash64(pages, head_sum))
    return bad_block("a checksum is wrong");
  return pages;
}

}  // namespace tq
