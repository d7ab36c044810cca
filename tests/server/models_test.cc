// Names, digests, manifests and stores: what comes from outside becomes paths, and must stay in its folder.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/sha256.h"
#include "server/models/store.h"

namespace tq::server {
namespace {

namespace fs = std::filesystem;

class TempFolder {
 public:
  TempFolder() {
    std::string name = (fs::path(testing::TempDir()) / "models.XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { fs::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Sha256, GivesTheDigestsOfTheStandard) {
  // FIPS 180-4's examples, from NIST's page of example values.
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowItIsCut) {
  const std::string text(1000, 'x');
  for (const std::size_t n : {1, 7, 63, 64, 65, 129}) {
    Sha256 hash;
    for (std::size_t i = 0; i < text.size(); i += n) {
      hash.update(std::as_bytes(std::span(std::string_view(text).substr(i, n))));
    }
    EXPECT_EQ(hash.finish(), sha256(text)) << n;
  }
}

TEST(ModelNames, HaveTheirParts) {
  const auto path = [](std::string_view text) { return ModelName::parse(text)->path(); };
  EXPECT_EQ(path("smollm2"), "registry.ollama.ai/library/smollm2/latest");
  EXPECT_EQ(path("llama3.2:1b-instruct_q4"), "registry.ollama.ai/library/llama3.2/1b-instruct_q4");
  EXPECT_EQ(path("user/model:x"), "registry.ollama.ai/user/model/x");
  EXPECT_EQ(path("hf.co/user/Model-GGUF:Q4_K_M"), "hf.co/user/Model-GGUF/Q4_K_M");
  EXPECT_EQ(ModelName::parse("a:latest")->text(), "a");
  EXPECT_EQ(ModelName::parse("a")->tagged_text(), "a:latest");
  for (const char* text : {"a", "a:b", "u/a", "h.x/u/a:t"}) EXPECT_EQ(ModelName::parse(text)->text(), text);
}

TEST(ModelNames, NeverLeadElsewhere) {
  for (const std::string& text :
       {std::string(""),     std::string(".."),        std::string("../a"),    std::string("a/.."),
        std::string("a:.."), std::string("a:../../b"), std::string("/a"),      std::string("a/"),
        std::string("a//b"), std::string("a:"),        std::string("-a"),      std::string(".a"),
        std::string("a b"),  std::string("a\nb"),      std::string("a\0b", 3), std::string("h/u/a/b"),
        std::string("a\\b"), std::string("\xc3\xa9"),  std::string(201, 'a'),  std::string("h:80/u/a"),
        std::string("a:b:c")}) {
    EXPECT_FALSE(ModelName::parse(text)) << text;
  }
  EXPECT_EQ(plain_name_of("My Model (1).Q4"), "My-Model--1-.Q4");
  for (const std::string& name :
       {std::string("../x"), std::string("-x"), std::string(""), std::string(300, '.')}) {
    EXPECT_TRUE(is_plain_name(plain_name_of(name))) << name;
  }
}

TEST(Digests, AreWholeAndInLowerCase) {
  const std::string digits(64, 'a');
  EXPECT_EQ(parse_digest("sha256:" + digits), digits);
  for (const std::string& text :
       {digits, "sha256-" + digits, "sha256:" + digits + "a", std::string("sha256:a"),
        "sha256:" + std::string(64, 'A'), "sha256:../" + std::string(61, 'a')}) {
    EXPECT_FALSE(parse_digest(text)) << text;
  }
}

std::string layer(const std::string& digest, const std::string& size = "5") {
  return R"({"mediaType": "application/vnd.ollama.image.model", "digest": ")" + digest + R"(", "size": )" +
         size + "}";
}

TEST(Manifests, AreReadAndWritten) {
  const std::string digest = "sha256:" + std::string(64, '1');
  const auto read =
      Manifest::parse(R"({"config": )" + layer(digest) + R"(, "layers": [)" + layer(digest, "0") + "]}", "m");
  ASSERT_TRUE(read) << read.error().message;
  const auto again = Manifest::parse(read->json(), "m");
  ASSERT_TRUE(again);
  ASSERT_NE(again->find(media::kModel), nullptr);
  EXPECT_EQ(again->find(media::kModel)->digest, std::string(64, '1'));
  EXPECT_EQ(again->config.size, 5U);
  EXPECT_EQ(again->find(media::kSystem), nullptr);
}

TEST(Manifests, OfWrongFormsAreRefused) {
  const std::string good = "sha256:" + std::string(64, '1');
  for (const std::string& text :
       {std::string(""), std::string("[]"), std::string("{}"), std::string(R"({"layers": {}})"),
        std::string(R"({"layers": [1]})"), R"({"layers": [)" + layer("sha256:../../etc/passwd") + "]}",
        R"({"layers": [)" + layer(good, "-1") + "]}", R"({"layers": [)" + layer(good, "1e3") + "]}",
        R"({"layers": [)" + layer(good, "\"1\"") + "]}",
        R"({"layers": [)" + layer(good, "18446744073709551615") + "]}",
        std::string(R"({"layers": [], "config": 3})")}) {
    const auto read = Manifest::parse(text, "the-file");
    ASSERT_FALSE(read) << text;
    EXPECT_TRUE(read.error().message.starts_with("the-file: ")) << read.error().message;
  }
}

TEST(Stores, KeepWhatTheyAreGiven) {
  const TempFolder folder;
  const Store store(folder.path());
  EXPECT_TRUE(store.names().empty());
  const auto first = store.add_blob(media::kModel, "weights");
  const auto second = store.add_blob(media::kSystem, "system");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->digest, sha256("weights"));
  const ModelName a = *ModelName::parse("a:1");
  const ModelName b = *ModelName::parse("b");
  ASSERT_TRUE(store.write(a, Manifest{.config = {}, .layers = {*first, *second}}));
  ASSERT_TRUE(store.write(b, Manifest{.config = {}, .layers = {*first}}));
  EXPECT_EQ(store.names(), (std::vector<ModelName>{a, b}));
  const auto found = store.find(a);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((**found).manifest.layers.size(), 2U);

  // What another model needs stays.
  EXPECT_TRUE(*store.remove(a));
  EXPECT_TRUE(store.blob(first->digest));
  EXPECT_FALSE(store.blob(second->digest));
  EXPECT_FALSE(*store.remove(a));
  EXPECT_TRUE(*store.remove(b));
  EXPECT_FALSE(store.blob(first->digest));
}

TEST(Stores, ABlobHasItsNameOnlyWhenItIsWhole) {
  const TempFolder folder;
  const Store store(folder.path());
  const std::string digest = sha256("abc");
  const auto write = [&](std::string_view text) -> Expected<void> {
    auto writer = store.new_blob(digest);
    EXPECT_TRUE(writer);
    writer->write(std::as_bytes(std::span(text)));
    EXPECT_FALSE(store.blob(digest));
    return writer->commit();
  };
  EXPECT_FALSE(write("abd"));
  EXPECT_FALSE(store.blob(digest));
  EXPECT_TRUE(write("abc"));
  EXPECT_TRUE(store.blob(digest));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path() + "/blobs"), fs::directory_iterator()), 1);
}

TEST(Stores, DamagedManifestsAreErrors) {
  const TempFolder folder;
  const std::string path = folder.path() + "/manifests/registry.ollama.ai/library/a";
  fs::create_directories(path);
  std::ofstream(path + "/latest") << "{";
  const Store store(folder.path());
  EXPECT_EQ(store.names().size(), 1U);
  EXPECT_FALSE(store.find(*ModelName::parse("a")));
}

}  // namespace
}  // namespace tq::server
