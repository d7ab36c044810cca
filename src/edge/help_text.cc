#include "edge/help_text.h"

#include <algorithm>
#include <array>

namespace tq::edge {
namespace {

constexpr std::size_t kRowBytes = 90;

struct Texts {
  std::string_view language;
  std::string_view crisis;      // before the numbers
  std::string_view concern;     // likewise
  std::string_view unreadable;  // likewise
  std::string_view hint;        // likewise; all there is but the numbers
  std::string_view after;       // after the numbers
  std::string_view reminder;    // in place of all but the numbers
  std::string_view anywhere;    // where no country is known
};

constexpr std::array kTexts = {
    Texts{.language = "en",
          .crisis =
              "I'm really glad you said that. This matters, and you don't have to carry it alone.\n"
              "If someone is in danger right now, or has taken something, call the emergency number now.\n",
          .concern =
              "That sounds very hard. If you, or someone you care about, may be thinking about suicide or\n"
              "self-harm, talking to a person can help, even if you are not sure.\n",
          .unreadable =
              "I could not read this well, so to be safe: if you or someone else is in danger or thinking\n"
              "about suicide, please talk to a person now.\n",
          .hint =
              "Just in case you, or someone close to you, are going through something very hard: there are\n"
              "people you can talk to, about anything.\n",
          .after = "Is there someone near you who can sit with you? Moving away from anything you could use "
                   "to hurt\n"
                   "yourself, even to another room, can help you get through this moment.\n"
                   "I'm a program on this device. I can't call anyone for you, but these people are there.\n",
          .reminder = "People are still there for you:\n",
          .anywhere = "Emergency: your local number. From most mobile phones 112 reaches it.\n"},
    Texts{.language = "de",
          .crisis = "Gut, dass du das sagst. Es ist wichtig, und du musst da nicht allein durch.\n"
                    "Wenn jemand jetzt in Gefahr ist oder etwas genommen hat, ruf sofort den Notruf.\n",
          .concern = "Das klingt sehr schwer. Wenn du oder jemand, der dir wichtig ist, an Suizid oder\n"
                     "Selbstverletzung denkt: Mit einem Menschen zu sprechen kann helfen, auch im Zweifel.\n",
          .unreadable =
              "Das konnte ich nicht gut lesen. Zur Sicherheit: Wenn jemand in Gefahr ist, sprich bitte "
              "jetzt\nmit einem Menschen.\n",
          .hint =
              "Nur für den Fall, dass es dir oder jemandem, der dir wichtig ist, gerade sehr schlecht geht:\n"
              "Es gibt Menschen, mit denen du sprechen kannst, über alles.\n",
          .after =
              "Ist jemand in deiner Nähe, der bei dir sein kann? Geh weg von allem, womit du dich verletzen\n"
              "könntest, und sei es nur in ein anderes Zimmer.\n"
              "Ich bin ein Programm auf diesem Gerät und kann niemanden anrufen. Diese Menschen sind da.\n",
          .reminder = "Diese Menschen sind weiter für dich da:\n",
          .anywhere =
              "Notruf: die örtliche Nummer. Von den meisten Mobiltelefonen erreichst du sie mit 112.\n"},
    Texts{
        .language = "es",
        .crisis = "Me alegra que lo digas. Es importante y no tienes que pasar por esto a solas.\n"
                  "Si alguien está en peligro ahora o ha tomado algo, llama ya al número de emergencias.\n",
        .concern =
            "Suena muy duro. Si tú, o alguien que te importa, piensa en el suicidio o en hacerse daño,\n"
            "hablar con una persona puede ayudar, aunque no lo tengas claro.\n",
        .unreadable =
            "No he podido leerlo bien. Por si acaso: si alguien está en peligro, habla ahora con una "
            "persona.\n",
        .hint = "Por si tú, o alguien cercano, lo estáis pasando muy mal: hay personas con las que puedes\n"
                "hablar, de lo que sea.\n",
        .after =
            "¿Hay alguien cerca que pueda acompañarte? Alejarte de lo que pueda hacerte daño, aunque sea a\n"
            "otra habitación, puede ayudar a pasar este momento.\n"
            "Soy un programa en este aparato. No puedo llamar a nadie por ti, pero estas personas están "
            "ahí.\n",
        .reminder = "Estas personas siguen ahí para ti:\n",
        .anywhere = "Emergencias: el número local. Desde casi todos los móviles, el 112 lo alcanza.\n"},
    Texts{
        .language = "fr",
        .crisis = "Merci de l'avoir dit. C'est important, et personne ne doit porter cela sans aide.\n"
                  "Si quelqu'un est en danger maintenant ou a pris quelque chose, appelez tout de suite les "
                  "urgences.\n",
        .concern =
            "Cela semble très dur. Si vous, ou un proche, pensez au suicide ou à vous faire du mal, parler\n"
            "à quelqu'un peut aider, même dans le doute.\n",
        .unreadable =
            "Je n'ai pas bien pu lire ce message. Par prudence : si quelqu'un est en danger, parlez à "
            "une\npersonne maintenant.\n",
        .hint = "Au cas où vous, ou un proche, traverseriez un moment très difficile : vous pouvez parler à\n"
                "quelqu'un, de tout.\n",
        .after =
            "Y a-t-il quelqu'un près de vous qui peut rester avec vous ? S'éloigner de ce qui pourrait vous\n"
            "blesser, même dans une autre pièce, peut aider à passer ce moment.\n"
            "Je suis un programme sur cet appareil. Je ne peux appeler personne, mais ces gens sont là.\n",
        .reminder = "Ces personnes sont toujours là pour vous :\n",
        .anywhere = "Urgences : le numéro local. Depuis la plupart des mobiles, le 112 l'atteint.\n"},
};

const Texts& texts_of(std::string_view language) {
  const auto* const found = std::ranges::find(kTexts, language, &Texts::language);
  return found == kTexts.end() ? kTexts.front() : *found;
}

std::string line_of(const Resource& entry) {
  std::string text = "  " + entry.name + ": ";
  if (!entry.phone.empty()) text += entry.phone;
  if (!entry.text.empty()) text += (entry.phone.empty() ? "" : ", or ") + entry.text;
  if (!entry.hours.empty() && !entry.is_emergency) text += " (" + entry.hours + ")";
  return text + "\n";
}

// "US 988, CA 988, GB 116 123": the first line of each country, a few a row.
std::string lines_of_all(const Resources& resources) {
  std::string text;
  std::string row;
  for (const std::string& country : resources.countries()) {
    const Resource first = resources.of(country, false).front();
    if (first.is_emergency || first.phone.empty()) continue;
    const std::string item = country + " " + first.phone;
    if (row.size() + item.size() > kRowBytes) {
      text += "  " + row + ",\n";
      row.clear();
    }
    row += (row.empty() ? "" : ", ") + item;
  }
  return row.empty() ? text : text + "  " + row + "\n";
}

// A hint may well be wrong: a line or two, without instructions.
std::string hint_text(const Texts& texts, const Resources& resources, const HelpOptions& options) {
  std::string text(options.is_repeated ? texts.reminder : texts.hint);
  if (!resources.has(options.country))
    return text + "  " + std::string(texts.anywhere) + lines_of_all(resources);
  std::string lines;
  for (const Resource& entry : resources.of(options.country, false)) {
    if (!entry.is_emergency) lines += line_of(entry);
  }
  return text + (lines.empty() ? resource_lines(resources, options.country, false) : lines);
}

}  // namespace

std::string resource_lines(const Resources& resources, std::string_view country, bool emergency_first) {
  std::string text;
  for (const Resource& entry : resources.of(country, emergency_first)) text += line_of(entry);
  return text;
}

std::string help_text(const Screening& screening, const Resources& resources, const HelpOptions& options) {
  const Texts& texts = texts_of(screening.language);
  if (screening.level == Level::kHint) return hint_text(texts, resources, options);
  const bool is_crisis = screening.level == Level::kCrisis;
  std::string text;
  if (options.is_repeated && !is_crisis) {
    text += texts.reminder;
  } else {
    text += is_crisis                               ? texts.crisis
            : screening.level == Level::kUnreadable ? texts.unreadable
                                                    : texts.concern;
    text += "\n";
  }
  if (resources.has(options.country)) {
    text += resource_lines(resources, options.country, is_crisis);
  } else {
    text += "  " + std::string(texts.anywhere) + lines_of_all(resources);
  }
  if (!options.is_repeated || is_crisis) text += "\n" + std::string(texts.after);
  return text;
}

}  // namespace tq::edge
