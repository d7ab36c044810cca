// Strings by their prefixes, built once. A node's children are neighbours, so that a step is one scan over
// their bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace tq {

class Trie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNoNode = 0xFFFFFFFF;

  Trie() : nodes_(1), labels_(1) {}
  // Texts are distinct and below 64 KiB, values >= 0.
  explicit Trie(std::vector<std::pair<std::string_view, std::int32_t>> texts);

  Node child(Node node, char byte) const {
    const Entry& entry = nodes_[node];
    const void* found =
        std::memchr(labels_.data() + entry.first_child, static_cast<unsigned char>(byte), entry.n_children);
    return found == nullptr ? kNoNode
                            : static_cast<Node>(static_cast<const std::uint8_t*>(found) - labels_.data());
  }
  std::int32_t value(Node node) const { return nodes_[node].value; }  // -1 where no string ends

 private:
  struct Entry {
    std::uint32_t first_child = 0;
    std::uint32_t n_children = 0;
    std::int32_t value = -1;
  };
  std::vector<Entry> nodes_;          // breadth first
  std::vector<std::uint8_t> labels_;  // by node, the byte that leads to it
};

}  // namespace tq
