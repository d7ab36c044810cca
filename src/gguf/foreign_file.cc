#include "gguf/foreign_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tq {
namespace {

constexpr std::string_view kConvert = "; convert the model with llama.cpp's convert_hf_to_gguf.py";
constexpr std::string_view kDownload = "; download the model file itself";

struct Kind {
  std::string_view start;  // the file's first bytes
  std::string_view what;
  std::string_view advice;
};

constexpr std::array kKinds = {
    Kind{"PK\x03\x04", "is a zip archive, perhaps PyTorch weights", kConvert},
    Kind{"\x80\x02", "is a Python pickle, perhaps PyTorch weights", kConvert},
    Kind{"\x89HDF", "is an HDF5 file", kConvert},
    Kind{"lmgg", "is a model in llama.cpp's format of before GGUF", kConvert},
    Kind{"fmgg", "is a model in llama.cpp's format of before GGUF", kConvert},
    Kind{"tjgg", "is a model in llama.cpp's format of before GGUF", kConvert},
    Kind{"\x1f\x8b", "is compressed with gzip", "; unpack it first"},
    Kind{"(\xb5/\xfd", "is compressed with zstd", "; unpack it first"},
    Kind{"version https://git-lfs", "is a Git LFS pointer, which only stands for the model",
         "; fetch the model with git lfs pull"},
    Kind{"<!DOCTYPE", "is a web page", kDownload},
    Kind{"<!doctype", "is a web page", kDownload},
    Kind{"<html", "is a web page", kDownload},
    Kind{"{", "is a JSON text", kDownload},
};

// A safetensors file opens with the length of its JSON header, then the header.
bool is_safetensors(std::span<const std::byte> bytes) {
  std::uint64_t header = 0;
  if (bytes.size() < sizeof(header) + 2) return false;
  std::memcpy(&header, bytes.data(), sizeof(header));
  return header >> 32 == 0 && bytes[8] == std::byte{'{'} && bytes[9] == std::byte{'"'};
}

std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    if (!text.empty()) text += ' ';
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

}  // namespace

std::string describe_foreign_file(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "is empty; download it again";
  if (is_safetensors(bytes)) return std::string("is a safetensors file").append(kConvert);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Kind& kind : kKinds) {
    if (text.starts_with(kind.start)) return std::string(kind.what).append(kind.advice);
  }
  const auto start = bytes.first(std::min<std::size_t>(bytes.size(), 4));
  if (std::ranges::all_of(start, [](std::byte b) { return b == std::byte{0}; })) {
    return "begins with zeros: perhaps its download never finished; download it again";
  }
  return "is not a GGUF file: it begins with the bytes " + hex(start) + ", not with \"GGUF\"";
}

}  // namespace tq
