// Line editing and history by libedit, which is BSD licensed (GNU readline would make the program GPL).
#include <histedit.h>
#include <langinfo.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <string_view>

#include "interrupt.h"
#include "line_reader.h"

namespace tq::app {
namespace {

constexpr int kHistoryLines = 1000;

// Terminals send these around pasted text once asked to, so that its newlines are no Enter keys.
constexpr const char* kPasteModeOn = "\033[?2004h";
constexpr const char* kPasteModeOff = "\033[?2004l";
constexpr const char* kPasteBegin = "\033[200~";
constexpr std::wstring_view kPasteEnd = L"\033[201~";

// libedit reads characters of the locale; where that one has no UTF-8, C.UTF-8 has.
void use_utf8_locale() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

// How libedit reads: a whole character, or -1 with EINTR for Ctrl-C. Bytes that are no UTF-8 are dropped.
int read_character(EditLine* /*edit*/, wchar_t* character) {
  std::mbstate_t state{};
  while (true) {
    if (!InterruptScope::wait_readable(STDIN_FILENO)) {
      errno = EINTR;
      return -1;
    }
    char byte = 0;
    const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return static_cast<int>(n);
    const std::size_t length = std::mbrtowc(character, &byte, 1, &state);
    if (length == 0 || length == 1) return 1;
    if (length == static_cast<std::size_t>(-1)) state = {};
  }
}

// Bound to kPasteBegin: takes everything up to kPasteEnd into the line.
unsigned char insert_paste(EditLine* edit, wint_t /*key*/) {
  std::wstring text;
  wchar_t c = 0;
  while (!text.ends_with(kPasteEnd)) {
    if (::el_wgetc(edit, &c) != 1) return CC_ERROR;
    text.push_back(c == L'\r' ? L'\n' : c);
  }
  text.resize(text.size() - kPasteEnd.size());
  while (text.ends_with(L'\n')) text.pop_back();
  std::erase(text, L'\0');
  return text.empty() || ::el_winsertstr(edit, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

class LibeditReader final : public LineReader {
 public:
  LibeditReader() {
    use_utf8_locale();
    screen_ = ::isatty(STDOUT_FILENO) != 0 ? stdout : stderr;
    edit_ = ::el_init("turboquant", stdin, screen_, stderr);
    history_ = ::history_init();
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, kHistoryLines);
    ::history(history_, &event, H_SETUNIQUE, 1);
    ::el_set(edit_, EL_CLIENTDATA, this);
    ::el_set(edit_, EL_PROMPT, &LibeditReader::current_prompt);
    ::el_set(edit_, EL_EDITOR, "emacs");
    ::el_set(edit_, EL_SIGNAL, 0);  // Ctrl-C belongs to the chat
    ::el_set(edit_, EL_GETCFN, &read_character);
    ::el_set(edit_, EL_HIST, &::history, history_);
    ::el_wset(edit_, EL_ADDFN, L"tq-paste", L"insert pasted text", &insert_paste);  // keeps the pointers
    ::el_set(edit_, EL_BIND, kPasteBegin, "tq-paste", nullptr);
  }
  ~LibeditReader() override {
    ::history_end(history_);
    ::el_end(edit_);
  }
  LibeditReader(const LibeditReader&) = delete;
  LibeditReader& operator=(const LibeditReader&) = delete;

  Result read(const char* prompt) override {
    prompt_ = prompt;
    ::el_set(edit_, EL_PREP_TERM, 1);  // before the prompt shows: what answers it at once must not be lost
    send(kPasteModeOn);
    int length = 0;
    const char* text = ::el_gets(edit_, &length);
    const int reason = errno;
    send(kPasteModeOff);
    if (text == nullptr) {
      if (length >= 0 || reason != EINTR) return {Event::kEnd, {}};
      return {Event::kInterrupted, typed()};
    }
    std::string_view line(text, static_cast<std::size_t>(length));
    if (line.ends_with('\n')) line.remove_suffix(1);
    remember(std::string(line));
    return {Event::kLine, std::string(line)};
  }

 private:
  static char* current_prompt(EditLine* edit) {
    LibeditReader* self = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &self);
    return const_cast<char*>(self->prompt_);
  }

  std::string typed() const {
    const LineInfo* line = ::el_line(edit_);
    return {line->buffer, line->lastchar};
  }

  void remember(const std::string& line) {
    if (line.empty()) return;
    HistEvent event;
    ::history(history_, &event, H_ENTER, line.c_str());
  }

  void send(const char* control) {
    std::fputs(control, screen_);
    std::fflush(screen_);
  }

  std::FILE* screen_ = nullptr;
  EditLine* edit_ = nullptr;
  History* history_ = nullptr;
  const char* prompt_ = "";
};

}  // namespace

std::unique_ptr<LineReader> make_terminal_reader() { return std::make_unique<LibeditReader>(); }

}  // namespace tq::app
