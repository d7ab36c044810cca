// An Engine is one loaded model and the machine's threads; a Session (session.h) is one timeline of tokens on
// it. Server, command line, benches and evaluation use only these two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tq/cache_plan.h"
#include "tq/codec.h"
#include "tq/disk_cache.h"
#include "tq/error.h"
#include "tq/session.h"
#include "tq/text.h"
#include "tq/vocabulary.h"

namespace tq {

struct EngineOptions {
  std::string model_path = {};  // a GGUF file
  std::int64_t n_ctx = 0;       // tokens a session can hold; 0: the model's own context length
  KvType type_k = KvType::kTurbo4;
  KvType type_v = KvType::kTurbo4;
  int layer_adaptive = 0;  // 0..7: preset that gives some layers a better type (cache_plan.h)
  std::optional<CachePlan> cache_plan = {};  // a type for each layer; the three above then do not count
  int n_threads = 0;                         // 0: one a physical core
  // The cache is reserved at load and shared: so many sessions can fill their n_ctx at the same time. More
  // sessions may live, as long as the tokens of all fit.
  int n_parallel = 1;
  // Layers with a window (Gemma, Phi 3) keep all tokens, not only those that the next one sees: going back to
  // any place of a text is then cheap, and the cache takes as much as without windows.
  bool swa_full = false;
  // Jinja, in place of the file's own; empty: that. One that is not understood is an error.
  std::string chat_template = {};
  // Full pages of prompts are kept here, and read by other engines with the same model and cache types. Not
  // used where the model has recurrent layers, or layers with a window without swa_full (a note says so).
  DiskCacheOptions disk_cache = {};
};

// A session whose cache differs from the engine's: to compare two caches over one copy of the weights.
struct SessionOptions {
  CachePlan plan;
  std::int64_t n_ctx = 0;  // 0: the engine's
};

// Which hidden states make the embedding of a text.
enum class Pooling { kMean, kLast };

struct ModelInfo {
  std::string architecture;  // general.architecture
  std::string name;          // general.name, or the file's name
  int n_layers = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  int n_embd = 0;
  int n_vocab = 0;
  std::int64_t n_ctx_train = 0;
  std::int64_t n_params = 0;
  Pooling pooling = Pooling::kLast;  // that the file asks for; models that generate ask for none
  bool is_recurrent = false;  // some layers have a running state in place of a KV cache (Session::reusable())
  Token bos = -1;             // -1: the model has none
  Token eos = -1;
  FillMarkers fill = {};
  // By layer: the norm of the constant in its keys (attn_k.bias) over that of the rest, estimated from the
  // weights. Empty without such a bias. key_bias_warning() judges a cache plan by it.
  std::vector<float> key_bias = {};
};

// One session's part of Engine::step().
struct Work {
  Session* session = nullptr;     // of this engine
  std::span<const Token> tokens;  // what its cache shall hold, as in Session::sync()
  Session::LogitsVisitor visitor = {};
  // The tokens are a prompt: of what the session holds only that is used which computing anew would give bit
  // for bit, unless the prompt goes on from all of it. So an answer does not depend on the session's last
  // one.
  bool is_prompt = false;
  // Set when all is computed or something failed; empty while more steps are needed.
  std::optional<Expected<std::span<const float>>> result = {};
  std::int64_t n_computed = 0;  // tokens that the last step computed; others were in a cache
};

class Engine {
 public:
  static std::vector<std::string_view> architectures();  // those it runs, as general.architecture names them
  static Expected<std::unique_ptr<Engine>> load(const EngineOptions& options);
  // Bytes that an engine of these options takes, weights and cache, by the file's head alone.
  static Expected<std::size_t> memory_needed(const EngineOptions& options);
  virtual ~Engine() = default;

  virtual const ModelInfo& info() const = 0;
  virtual std::int64_t n_ctx() const = 0;
  virtual int n_threads() const = 0;
  virtual std::string_view isa() const = 0;
  virtual const CachePlan& cache_plan() const = 0;
  // The cache type of each layer, for people: "K turbo4, V turbo4 (layers 0-1, 28-29: V q8_0)".
  virtual std::string cache_description() const = 0;
  // Of EngineOptions::disk_cache; none: it is not used.
  virtual std::optional<DiskCacheStats> disk_cache() const = 0;

  // Text. encode() adds BOS in front exactly when `add_bos` is set and the model wants one (and EOS behind,
  // where the file asks for that, as those of embedding models do).
  virtual std::vector<Token> encode(std::string_view text, SpecialText special, bool add_bos) const = 0;
  // Possibly part of a UTF-8 sequence. Special tokens have text only when asked for (kParse).
  virtual std::string_view token_bytes(Token token, SpecialText special = SpecialText::kPlain) const = 0;
  virtual bool is_end_of_generation(Token token) const = 0;
  // For samplers with grammars and the like; made by the first call. The engine must outlive it.
  virtual std::shared_ptr<const Vocabulary> vocabulary() const = 0;
  virtual bool has_chat_template() const = 0;  // there is one; encode_chat() says whether it can be used
  virtual std::string_view chat_template() const = 0;  // its Jinja source; empty when there is none
  // The prompt for an assistant's next turn, by the model's own template, with special tokens in place.
  // Only the template's own text may become special tokens; message contents never do.
  virtual Expected<std::vector<Token>> encode_chat(std::span<const ChatMessage> messages,
                                                   const ChatOptions& options = {}) const = 0;
  // The same prompt as text, for people and for what follows from its end.
  virtual Expected<std::string> render_chat(std::span<const ChatMessage> messages,
                                            const ChatOptions& options = {}) const = 0;

  // The embedding [n_embd] of at most n_ctx() tokens, of length 1: what the last layer and its norm make of
  // them. It is computed over an f16 cache of its own, whatever the engine's is. May be called from any
  // thread. kInterrupted when `is_wanted`, which is asked before each pass, says no.
  virtual Expected<std::vector<float>> embed(std::span<const Token> tokens, Pooling pooling,
                                             const std::function<bool()>& is_wanted = {}) = 0;

  // An empty timeline. The engine must outlive it.
  virtual Expected<std::unique_ptr<Session>> create_session() = 0;
  virtual Expected<std::unique_ptr<Session>> create_session(const SessionOptions& options) = 0;

  // One forward pass for many sessions, each at most once: continuous batching. Sessions that lack a few
  // tokens get them all; longer ones advance by a share of the batch and are finished by further calls with
  // the same tokens. Call it with whatever is pending, take the results out, add what came meanwhile, and
  // call again. What a session computes does not depend on its company, bit for bit. An error concerns its
  // own session alone. Their caches may be of different types.
  //
  // Threads: sync() and step() may be called from any, for different sessions; they compute one at a time.
  virtual void step(std::span<Work> work) = 0;
};

}  // namespace tq
