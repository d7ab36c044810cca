// A sealed block of the cache in a file. Little-endian, in this order:
//
//   magic "TQBLOCK\0", u32 version, u32 number of tokens (128), u64 bytes of the pages
//   the key of the block before it, 64 hexadecimal digits
//   i32 tokens[128]
//   u64 XXH3 of all bytes before
//   the pages by layer, first K then V, by head
//   u64 XXH3 of them, seeded with the checksum before
//
// A block's key is the SHA-256 of the key before it and its own tokens; the first one follows a key that
// names the model and how it is computed (engine/fingerprint.h). So a key stands for the whole text up to its
// block and for everything else that its bytes depend on.
//
// The file is hostile. Nothing in it chooses a size: its length has to be what the engine's own blocks give,
// and key and tokens have to be those that were looked for. Checksums find damage, not malice: the bytes of a
// page may be any, and are safe to attend over.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

// What a block holds: kPageTokens tokens behind a text.
struct BlockText {
  std::string parent;             // the key of the block before it
  std::span<const Token> tokens;  // [kPageTokens]

  std::string key() const;  // 64 hexadecimal digits
};

std::size_t block_file_bytes(std::size_t page_bytes);

// Writes the file's bytes around the pages, which are in their place already: [block_file_bytes()].
void seal_block_file(std::span<std::byte> file, const BlockText& text);
std::span<std::byte> pages_of_block_file(std::span<std::byte> file);

// The pages, a view of the file's bytes, if it is whole and holds `text`.
Expected<std::span<const std::byte>> parse_block_file(std::span<const std::byte> file, const BlockText& text,
                                                      std::size_t page_bytes);

}  // namespace tq
