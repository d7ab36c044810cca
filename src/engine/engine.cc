#include "tq/engine.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/fingerprint.h"
#include "model/key_bias.h"

namespace tq {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxParallel = 4096;

Expected<int> thread_count(int wanted) {
  if (wanted < 0 || wanted > kMaxThreads) {
    return Error{ErrorCode::kBadArgument, "cannot run " + std::to_string(wanted) + " threads; use 1 to " +
                                              std::to_string(kMaxThreads) + "."};
  }
  return wanted == 0 ? default_thread_count() : wanted;
}

ModelInfo make_info(const GgufFile& file, const ModelConfig& config) {
  ModelInfo info;
  info.architecture = config.architecture;
  const auto name = file.get_string("general.name");
  info.name = name ? std::string(*name) : std::filesystem::path(file.path()).filename().string();
  info.n_layers = config.n_layers;
  info.n_heads = config.n_heads;
  info.n_kv_heads = config.n_kv_heads;
  info.head_dim = config.head_dim;
  info.n_embd = config.n_embd;
  info.n_vocab = config.n_vocab;
  info.n_ctx_train = config.n_ctx_train;
  constexpr std::int64_t kMeanPooling = 1;  // GGUF's; 3 is the last token, 0 nothing
  const auto pooling = file.get_int_or(config.architecture + ".pooling_type", 0, 100, 0);
  info.pooling = pooling && *pooling == kMeanPooling ? Pooling::kMean : Pooling::kLast;
  info.is_recurrent = !config.recurrent.empty();
  for (const TensorView& tensor : file.tensors()) info.n_params += tensor.element_count();
  info.key_bias = key_bias_ratios(file, config.n_layers);
  return info;
}

}  // namespace

std::vector<std::string_view> Engine::architectures() { return Model::architectures(); }

Expected<std::unique_ptr<Engine>> Engine::load(const EngineOptions& options) {
  return EngineImpl::load(options);
}

Expected<std::unique_ptr<Engine>> EngineImpl::load(const EngineOptions& options) {
  const auto isa = select_isa();
  if (!isa) return isa.error();
  const auto n_threads = thread_count(options.n_threads);
  if (!n_threads) return n_threads.error();
  auto file = GgufFile::open(options.model_path);
  if (!file) return file.error();
  auto model = Model::open(*file);
  if (!model) return model.error();
  auto tokenizer = Tokenizer::from_gguf(*file);
  if (!tokenizer) return tokenizer.error();

  std::unique_ptr<EngineImpl> engine(
      new EngineImpl(std::move(*file), std::move(*model), std::move(*tokenizer), *n_threads, *isa));
  if (const auto ok = engine->check_vocabulary(); !ok) return ok.error();
  if (const auto ok = engine->load_chat_template(options.chat_template); !ok) return ok.error();
  if (const auto ok = engine->plan_cache(options); !ok) return ok.error();
  if (const auto ok = engine->load_weights(); !ok) return ok.error();
  auto context = engine->make_context(engine->plan_, engine->n_ctx_, engine->n_parallel_);
  if (!context) return context.error();
  engine->context_ = *std::move(context);
  if (const auto ok = engine->open_disk_cache(options.disk_cache); !ok) return ok.error();
  engine->file_.release_pages();  // the fingerprint has read the beginning of every tensor
  return std::unique_ptr<Engine>(std::move(engine));
}

EngineImpl::EngineImpl(GgufFile file, std::unique_ptr<Model> model, Tokenizer tokenizer, int n_threads,
                       Isa isa)
    : file_(std::move(file)),
      model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      isa_(isa),
      pool_(n_threads),
      info_(make_info(file_, model_->config())) {
  info_.bos = tokenizer_.bos();
  info_.eos = tokenizer_.eos();
  info_.fill = tokenizer_.fill_markers();
}

Expected<void> EngineImpl::check_vocabulary() const {
  if (tokenizer_.vocab_size() <= info_.n_vocab) return {};
  return Error{ErrorCode::kBadFile,
               file_.path() + ": the tokenizer has " + std::to_string(tokenizer_.vocab_size()) +
                   " tokens, but the embedding only " + std::to_string(info_.n_vocab) + "."};
}

Expected<void> EngineImpl::plan_cache(const EngineOptions& options) {
  const auto n_ctx = context_length(options.n_ctx, info_.n_ctx_train);
  if (!n_ctx) return n_ctx.error();
  n_ctx_ = *n_ctx;
  if (options.n_parallel < 1 || options.n_parallel > kMaxParallel) {
    return Error{ErrorCode::kBadArgument, "cannot serve " + std::to_string(options.n_parallel) +
                                              " sessions at once; use 1 to " + std::to_string(kMaxParallel) +
                                              "."};
  }
  n_parallel_ = options.n_parallel;
  auto plan = options.cache_plan ? Expected<CachePlan>(*options.cache_plan)
                                 : make_cache_plan(model_->kv_shape().n_layers, options.type_k,
                                                   options.type_v, options.layer_adaptive);
  if (!plan) return plan.error();
  plan_ = std::move(*plan);
  if (!options.swa_full) window_ = model_->layer_window();
  // Refused before the weights are loaded, which takes longer.
  if (const auto codecs = make_codecs(plan_); !codecs) return codecs.error();
  return {};
}

Expected<std::shared_ptr<const CodecSet>> EngineImpl::make_codecs(const CachePlan& plan) const {
  const int n_layers = model_->kv_shape().n_layers;
  if (plan.layers.size() != static_cast<std::size_t>(n_layers)) {
    return Error{ErrorCode::kBadArgument, "the cache plan is for " + std::to_string(plan.layers.size()) +
                                              " layers, but this model has a cache in " +
                                              std::to_string(n_layers) + "."};
  }
  auto codecs = CodecSet::create(plan, info_.head_dim, isa_, codec_wrapper_);
  if (!codecs) return codecs.error();
  return std::shared_ptr<const CodecSet>(std::make_shared<CodecSet>(std::move(*codecs)));
}

Expected<void> EngineImpl::load_weights() {
  // What only the tokenizer was made of, before weights take its room.
  const std::uint64_t metadata = metadata_fingerprint(file_);
  file_.forget_metadata();
  return_freed_memory();
  if (const auto ok = model_->load_weights(file_, n_ctx_, pool_); !ok) return ok.error();
  fingerprint_ = model_fingerprint(file_, metadata);
  file_.release_pages();
  auto workspace = Workspace::create(model_->config());
  if (!workspace) return workspace.error();
  runner_ = std::make_unique<BatchRunner>(*model_, kernels_for(isa_), pool_, std::move(*workspace));
  return {};
}

Expected<std::shared_ptr<const SessionContext>> EngineImpl::make_context(const CachePlan& plan,
                                                                         std::int64_t n_ctx,
                                                                         int n_sessions) const {
  const KvShape shape = model_->kv_shape();
  auto codecs = make_codecs(plan);
  if (!codecs) return codecs.error();
  auto cache = CacheMemory::create(**codecs, shape, window_, n_ctx, n_sessions, runner_->max_batch());
  if (!cache) return cache.error();
  const CachePlan f16{{plan.layers.size(), {KvType::kF16, KvType::kF16}}};
  const auto f16_block = block_bytes(f16, shape, window_);
  if (!f16_block) return f16_block.error();
  const SessionFormat format{.fingerprint = fingerprint_,
                             .plan = plan,
                             .shape = shape,
                             .page = cache->block_bytes(),
                             .is_windowed = window_.is_windowed,
                             .recurrent = model_->recurrent_shape(),
                             .n_vocab = info_.n_vocab};
  return std::make_shared<const SessionContext>(
      SessionContext{runner_.get(), *std::move(codecs), *std::move(cache), format, *f16_block});
}

Expected<void> EngineImpl::open_disk_cache(const DiskCacheOptions& options) const {
  if (options.folder.empty()) return {};
  const std::string why_not = info_.is_recurrent     ? "recurrent layers, whose texts share no pages"
                              : window_.n_tokens > 0 ? "layers that keep a window alone (unless --swa-full)"
                                                     : "";
  if (!why_not.empty()) {
    if (options.note)
      options.note(info_.name + " has " + why_not + ": it does not use " + options.folder +
                   " (--cache-dir).");
    return {};
  }
  BlockPool& pool = *context_->cache.whole;
  auto disk = DiskCache::open(
      options, cache_identity(context_->format, model_->config(), n_ctx_, isa_), pool.block_bytes(),
      [&pool](BlockId block, Serial serial, std::byte* out) { return pool.read_sealed(block, serial, out); });
  if (!disk) return disk.error();
  pool.attach(*std::move(disk));
  return {};
}

std::optional<DiskCacheStats> EngineImpl::disk_cache() const {
  const DiskCache* disk = context_->cache.whole->disk();
  return disk == nullptr ? std::nullopt : std::optional(disk->stats());
}

// A template of the file that cannot be used is no reason not to run the model; it is reported when a chat
// asks for it. One that was given is wanted.
Expected<void> EngineImpl::load_chat_template(const std::string& given) {
  chat_template_text_ = given.empty() ? tokenizer_.chat_template() : given;
  if (chat_template_text_.empty()) return {};
  auto parsed = ChatTemplate::parse(chat_template_text_);
  if (parsed) {
    chat_template_ = std::move(*parsed);
  } else if (given.empty()) {
    chat_template_error_ = parsed.error();
  } else {
    return Error{ErrorCode::kBadArgument, parsed.error().message};
  }
  return {};
}

std::vector<Token> EngineImpl::encode(std::string_view text, SpecialText special, bool add_bos) const {
  std::vector<Token> tokens = tokenizer_.encode(text, special);
  if (add_bos) tokenizer_.add_special(tokens);
  return tokens;
}

std::shared_ptr<const Vocabulary> EngineImpl::vocabulary() const {
  std::call_once(vocabulary_once_, [this] {
    vocabulary_ = Vocabulary::create({
        .n_tokens = tokenizer_.vocab_size(),
        .bytes = [this](Token token) { return tokenizer_.token_bytes(token); },
        .ends_generation = [this](Token token) { return tokenizer_.is_end_of_generation(token); },
        .encode = [this](std::string_view text) { return tokenizer_.encode(text, SpecialText::kPlain); },
    });
  });
  return vocabulary_;
}

Expected<std::vector<TextSegment>> EngineImpl::chat_segments(std::span<const ChatMessage> messages,
                                                             const ChatOptions& options) const {
  if (chat_template_error_) return *chat_template_error_;
  if (!chat_template_) {
    return Error{ErrorCode::kUnsupported,
                 file_.path() + ": the model has no chat template; give it plain text (-p TEXT --raw)."};
  }
  const auto special_text = [this](Token token) {
    return tokenizer_.token_bytes(token, SpecialText::kParse);
  };
  return chat_template_->render({.messages = messages,
                                 .add_generation_prompt = options.add_generation_prompt,
                                 .add_bos_token = tokenizer_.adds_bos(),
                                 .bos_token = special_text(tokenizer_.bos()),
                                 .eos_token = special_text(tokenizer_.eos()),
                                 .tools = options.tools,
                                 .variables = options.variables});
}

Expected<std::vector<Token>> EngineImpl::encode_chat(std::span<const ChatMessage> messages,
                                                     const ChatOptions& options) const {
  const auto segments = chat_segments(messages, options);
  if (!segments) return segments.error();
  return tokenizer_.encode_segments(*segments);
}

Expected<std::string> EngineImpl::render_chat(std::span<const ChatMessage> messages,
                                              const ChatOptions& options) const {
  const auto segments = chat_segments(messages, options);
  if (!segments) return segments.error();
  std::string text;
  for (const TextSegment& segment : *segments) text += segment.text;
  return text;
}

Expected<std::unique_ptr<Session>> EngineImpl::create_session() {
  return SessionImpl::create(context_, n_ctx_);
}

Expected<std::unique_ptr<Session>> EngineImpl::create_session(const SessionOptions& options) {
  const auto n_ctx =
      options.n_ctx == 0 ? Expected<std::int64_t>(n_ctx_) : context_length(options.n_ctx, info_.n_ctx_train);
  if (!n_ctx) return n_ctx.error();
  auto context = make_context(options.plan, *n_ctx, 1);
  if (!context) return context.error();
  return SessionImpl::create(*std::move(context), *n_ctx);
}

void EngineImpl::step(std::span<Work> work) {
  std::vector<Job> jobs;
  std::vector<Work*> pending;
  for (Work& w : work) {
    w.n_computed = 0;
    if (w.result) continue;
    auto* session = static_cast<SessionImpl*>(w.session);
    const bool is_repeated =
        std::ranges::any_of(pending, [&](const Work* other) { return other->session == w.session; });
    if (session == nullptr || session->context().runner != runner_.get() || is_repeated) {
      w.result = Error{ErrorCode::kBadArgument,
                       "a step takes each session of its own engine once; give every piece of work one."};
      continue;
    }
    jobs.push_back({.timeline = &session->timeline(),
                    .tokens = w.tokens,
                    .visitor = &w.visitor,
                    .is_prompt = w.is_prompt});
    pending.push_back(&w);
  }
  runner_->step(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    pending[i]->result = std::move(jobs[i].result);
    pending[i]->n_computed = jobs[i].n_rows;
  }
}

}  // namespace tq
