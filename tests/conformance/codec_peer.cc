// Our codec under the protocol of spec/conformance.md, for tests only.
//
//   codec_peer [--isa scalar|avx2|avx512|neon|dotprod] [--break OP]     --break spoils every answer to OP a
//   little
//
// Exit status 77: this CPU or build lacks the ISA.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "codec/codec.h"

namespace tq {
namespace {

struct Request {
  std::string op, type;
  int head_dim = 0, rows = 0, slot_step = 0, queries = 0;
  int slot(int row) const { return row * slot_step % kPageTokens; }
};

template <class T>
std::vector<T> read(std::size_t n) {
  std::vector<T> values(n);
  std::cin.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(n * sizeof(T)));
  return values;
}

struct alignas(64) Line {
  std::byte bytes[64];
};

// Pages and prepared queries, at addresses aligned to 64.
class Aligned {
 public:
  explicit Aligned(std::size_t size) : lines_((size + 63) / 64), size_(size) {}
  std::byte* data() { return lines_.front().bytes; }
  std::string text() { return {reinterpret_cast<const char*>(data()), size_}; }

 private:
  std::vector<Line> lines_;
  std::size_t size_;
};

std::string text_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

class Peer {
 public:
  Peer(const KvCodec& codec, const Request& request) : codec_(codec), r_(request), dim_(codec.head_dim()) {}

  std::string answer() {
    if (r_.op == "rotate" || r_.op == "unrotate") return turn();
    if (r_.op == "encode") return encode();
    Aligned page(codec_.page_bytes());
    std::cin.read(reinterpret_cast<char*>(page.data()), static_cast<std::streamsize>(codec_.page_bytes()));
    if (r_.op == "decode") return decode(page);
    return r_.op == "score" ? score(page) : mix(page);
  }

 private:
  std::size_t count(int rows, int columns) const { return static_cast<std::size_t>(rows) * columns; }

  std::string turn() const {
    std::vector<float> x = read<float>(count(r_.rows, dim_));
    for (int i = 0; i < r_.rows; ++i) {
      float* row = x.data() + count(i, dim_);
      r_.op == "rotate" ? codec_.rotate(row) : codec_.unrotate(row);
    }
    return text_of(x);
  }

  std::string encode() const {
    const std::vector<float> x = read<float>(count(r_.rows, dim_));
    Aligned page(codec_.page_bytes());
    for (int i = 0; i < r_.rows; ++i) codec_.encode(x.data() + count(i, dim_), page.data(), r_.slot(i));
    return page.text();
  }

  std::string decode(Aligned& page) const {
    std::vector<float> rows(count(r_.rows, dim_));
    for (int i = 0; i < r_.rows; ++i)
      codec_.decode(page.data(), r_.slot(i), r_.slot(i) + 1, rows.data() + count(i, dim_));
    return text_of(rows);
  }

  std::string score(Aligned& page) const {
    const std::vector<float> q = read<float>(count(r_.queries, dim_));
    Aligned prepared(codec_.query_bytes(r_.queries));
    codec_.prepare_queries(q.data(), r_.queries, prepared.data());
    std::vector<float> scores(count(r_.queries, kPageTokens));
    codec_.score(page.data(), 0, kPageTokens, prepared.data(), r_.queries, scores.data());
    std::vector<float> out;
    for (int h = 0; h < r_.queries; ++h) {
      for (int i = 0; i < r_.rows; ++i) out.push_back(scores[count(h, kPageTokens) + r_.slot(i)]);
    }
    return text_of(out);
  }

  std::string mix(Aligned& page) const {
    const std::vector<float> weights = read<float>(count(r_.queries, r_.rows));
    std::vector<float> by_slot(count(r_.queries, kPageTokens));
    for (int h = 0; h < r_.queries; ++h) {
      for (int i = 0; i < r_.rows; ++i)
        by_slot[count(h, kPageTokens) + r_.slot(i)] = weights[count(h, r_.rows) + i];
    }
    std::vector<float> acc(count(r_.queries, dim_));
    codec_.mix(page.data(), 0, kPageTokens, by_slot.data(), r_.queries, acc.data());
    return text_of(acc);
  }

  const KvCodec& codec_;
  const Request& r_;
  int dim_;
};

// One code, or the first float.
void spoil(const std::string& op, std::string& answer) {
  if (op == "encode") {
    answer[0] = static_cast<char>(answer[0] ^ 1);
    return;
  }
  float first = 0.0f;
  std::memcpy(&first, answer.data(), sizeof first);
  first += 1000.0f;
  std::memcpy(answer.data(), &first, sizeof first);
}

int serve(Isa isa, const std::string& broken) {
  std::string line;
  while (std::getline(std::cin, line)) {
    Request request;
    std::istringstream(line) >> request.op >> request.type >> request.head_dim >> request.rows >>
        request.slot_step >> request.queries;
    const Expected<KvType> type = parse_kv_type(request.type);
    if (!type) return std::fprintf(stderr, "codec_peer: %s\n", type.error().message.c_str()), 1;
    const auto codec = KvCodec::create(*type, request.head_dim, isa);
    if (!codec) return std::fprintf(stderr, "codec_peer: %s\n", codec.error().message.c_str()), 1;
    std::string answer = Peer(**codec, request).answer();
    if (request.op == broken) spoil(broken, answer);
    std::cout << "ok " << answer.size() << '\n' << answer << std::flush;
  }
  return 0;
}

}  // namespace
}  // namespace tq

int main(int argc, char** argv) {
  std::string name = "scalar", broken;
  for (int i = 1; i + 1 < argc; i += 2) (std::strcmp(argv[i], "--isa") == 0 ? name : broken) = argv[i + 1];
  for (const tq::Isa isa : tq::supported_isas()) {
    if (tq::isa_name(isa) == name) return tq::serve(isa, broken);
  }
  std::fprintf(stderr, "codec_peer: no %s here\n", name.c_str());
  return 77;
}
