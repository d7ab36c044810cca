// Files that are no GGUF: each is told what it is and what to do about it.
#include "gguf_writer.h"

namespace tq {
namespace {

void expect_foreign(std::string_view bytes, std::string_view part) {
  expect_bad(Bytes().raw(bytes).bytes(), part);
}

TEST(ForeignFile, EmptyAndUnfinishedDownloads) {
  expect_foreign("", "x.gguf is empty; download it again.");
  expect_foreign(std::string(100, '\0'), "begins with zeros");
  expect_foreign(std::string(1, '\0'), "begins with zeros");
  expect_foreign("version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
  expect_foreign("<!DOCTYPE html>", "web page");
  expect_foreign("<!doctype html>", "web page");
  expect_foreign("<html>", "web page");
}

TEST(ForeignFile, OtherModelFormats) {
  expect_bad(Bytes().put(std::uint64_t{2}).raw("{\"a\":1}").bytes(),
             "safetensors file; convert the model with");
  expect_foreign("PK\x03\x04rest", "zip archive, perhaps PyTorch");
  expect_foreign("\x80\x02}q", "Python pickle");
  expect_foreign("\x89HDF\r\n", "HDF5");
  expect_foreign("lmgg", "before GGUF");
  expect_foreign("fmgg", "before GGUF");
  expect_foreign("tjgg", "before GGUF");
  expect_foreign("\x1f\x8b\x08", "gzip; unpack it first");
  expect_foreign("(\xb5/\xfd", "zstd; unpack it first");
  expect_foreign("{\"a\": 1}", "JSON");
}

TEST(ForeignFile, UnknownBytesAreShown) {
  expect_foreign("\x01\x02\xfe\x0f\x05", "begins with the bytes 01 02 fe 0f, not with \"GGUF\"");
  expect_foreign("\xab", "begins with the bytes ab, not");
  expect_foreign("GGUX", "begins with the bytes 47 47 55 58");
  expect_foreign("\x01PK\x03\x04", "is not a GGUF file");
  // '{' in the ninth place alone makes no safetensors: the length before it must be sane.
  expect_foreign("\x01\x02\x03\x04\x05\x06\x07\x08{\"", "is not a GGUF file");
}

TEST(ForeignFile, AnInterruptedMagicIsATruncatedGguf) {
  for (const std::string_view start : {"G", "GG", "GGU", "GGUF", "GGUF\x03"}) {
    expect_foreign(start,
                   "is truncated: its " + std::to_string(start.size()) + " bytes end inside the header");
  }
}

}  // namespace
}  // namespace tq
