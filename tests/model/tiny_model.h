// A model of a few kilobytes with random weights, as a GGUF file's contents, whole or with one thing wrong.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "../gguf/gguf_writer.h"

namespace tq {

struct TinyModel {
  std::string architecture = "llama";  // its norms and keys are llama's; "qwen35": layers 0, 2, ... are
                                       // recurrent; "gemma2": they see `window` tokens
  int n_layers = 2;
  int n_embd = 64;
  int n_heads = 4;
  int n_kv_heads = 2;
  int n_ff = 96;
  int n_vocab = 300;
  int n_ctx = 1200;
  int window = 0;
  GgmlType weight_type = GgmlType::kF32;  // or kQ8_0
  bool tied = true;
  unsigned seed = 1;                 // of the weights
  std::string token_prefix = "tok";  // of the tokens after the 256 bytes: tok256, tok257, ...

  std::vector<std::string> control_tokens = {};  // the tokens after the 256 bytes, in place of those
  std::string chat_template = {};                // empty: none

  // Leaves a metadata key or a tensor of this name out.
  std::string without = {};
  // A tensor of zeros in a type of its own.
  std::string odd_tensor = {};
  GgmlType odd_type = GgmlType::kF32;
  // Called before a tensor's shape is written, to spoil it.
  std::function<void(const std::string& name, std::vector<std::uint64_t>& shape)> reshape = {};

  std::vector<std::byte> bytes() const;
};

// A file in the tests' temporary folder, removed with the object.
class TempFile {
 public:
  explicit TempFile(const std::vector<std::byte>& bytes);
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace tq
