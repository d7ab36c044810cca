// A session in a file: its tokens and the pages of its cache, byte for byte. Little-endian, in this order:
//
//   magic "TQSESSN\0", u32 version, u32 n_layers, u32 n_kv_heads, u32 head_dim, u64 fingerprint, i64 n_tokens
//   u8 type of K and type of V, of each layer (KvType ids; K's + 128 in a layer with a window)
//   u8 whether a page is whole, of each page: it is there in layers with a window too
//   i32 tokens[n_tokens]
//   u64 XXH3 of all bytes before
//   for each page of 128 tokens, the last one perhaps with unused rows:
//     its bytes by layer, first K then V, by head: layers that see all tokens, then where it is whole the
//     others u64 XXH3 of them, seeded with the page's number
//   where the model has recurrent layers: their state as f32, by layer, and the XXH3 of it
//
// The file is hostile. Nothing in it chooses a size: shape and types have to be the engine's own, the tokens
// have to fit the context, and the length has to be exactly what follows from these. Checksums find damage,
// not malice: the bytes of a page may be any, and are safe to attend over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/timeline.h"
#include "kvcache/kv_cache.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

// What a file must agree with.
struct SessionFormat {
  std::uint64_t fingerprint = 0;  // of the model
  CachePlan plan;
  KvShape shape{};
  BlockBytes page;                     // of all layers and heads
  std::vector<bool> is_windowed = {};  // by layer; empty where none gives up pages
  RecurrentShape recurrent;            // empty without recurrent layers
  int n_vocab = 0;
};

Expected<void> save_session(const std::string& path, const SessionFormat& format, const Timeline& timeline);

// A file that was checked from beginning to end; a view of its bytes.
class SavedSession {
 public:
  // `name` appears in errors.
  static Expected<SavedSession> parse(std::span<const std::byte> bytes, const std::string& name,
                                      const SessionFormat& format, std::int64_t n_ctx);

  const std::vector<Token>& tokens() const { return tokens_; }
  // Into an empty cache, and a state of the format's shape.
  Expected<void> load(KvCache& cache, RecurrentState& state) const;

 private:
  std::vector<Token> tokens_;
  std::size_t stored_bytes(std::size_t page, const SessionFormat& format) const;
  bool are_pages_intact(const SessionFormat& format) const;

  std::vector<std::byte> is_whole_;   // by page, 1 or 0
  std::span<const std::byte> pages_;  // each with its checksum behind it
  std::span<const std::byte> state_;
};

}  // namespace tq
