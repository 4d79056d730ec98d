#include "policy/date_format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

namespace plumbline::policy {

namespace {

constexpr auto kMonths = std::to_array<std::string_view>({"January",
                                                          "February",
                                                          "March",
                                                          "April",
                                                          "May",
                                                          "June",
                                                          "July",
                                                          "August",
                                                          "September",
                                                          "October",
                                                          "November",
                                                          "December"});
constexpr auto kDays = std::to_array<std::string_view>(
    {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"});

/// The custom format that one letter stands for; empty where it stands for none known here.
std::string_view standard_format(char letter) {
  switch (letter) {
    case 'd':
      return "M/d/yyyy";
    case 'o':
    case 'O':
      return "yyyy-MM-ddTHH:mm:ss.fffffffZ";
    case 'r':
    case 'R':
      return "ddd, dd MMM yyyy HH:mm:ss 'GMT'";
    case 's':
      return "yyyy-MM-ddTHH:mm:ss";
    case 'u':
      return "yyyy-MM-dd HH:mm:ssZ";
    default:
      return {};
  }
}

class Parts {
 public:
  explicit Parts(core::Time time)
      : days_(std::chrono::floor<std::chrono::days>(time)), date_(days_), clock_(time - days_) {}

  /// Appends what a letter, repeated `run` times, stands for. False where it is not supported.
  [[nodiscard]] bool append(char letter, std::size_t run, std::string& out) const {
    const auto hour = clock_.hours().count();
    const auto month = static_cast<unsigned>(date_.month());
    switch (letter) {
      case 'y': {
        const int year = static_cast<int>(date_.year());
        pad(run <= 2 ? year % 100 : year, run, out);
        return true;
      }
      case 'M':
        name_or_number(kMonths[month - 1], month, run, out);
        return true;
      case 'd':
        name_or_number(kDays[std::chrono::weekday(days_).c_encoding()],
                       static_cast<unsigned>(date_.day()),
                       run,
                       out);
        return true;
      case 'H':
        pad(hour, std::min<std::size_t>(run, 2), out);
        return true;
      case 'h':
        pad((hour + 11) % 12 + 1, std::min<std::size_t>(run, 2), out);
        return true;
      case 'm':
        pad(clock_.minutes().count(), std::min<std::size_t>(run, 2), out);
        return true;
      case 's':
        pad(clock_.seconds().count(), std::min<std::size_t>(run, 2), out);
        return true;
      case 't':
        out += std::string_view(hour < 12 ? "AM" : "PM").substr(0, run);
        return true;
      case 'f':
      case 'F':
        return append_fraction(letter == 'f', run, out);
      case 'K':
        out.append(run, 'Z');
        return true;
      case 'z':
        out += run == 1 ? "+0" : run == 2 ? "+00" : "+00:00";
        return true;
      case 'g':
        return false;
      default:
        out.append(run, letter);
        return true;
    }
  }

 private:
  static void pad(std::int64_t number, std::size_t width, std::string& out) {
    fmt::format_to(std::back_inserter(out), "{:0{}}", number, width);
  }

  static void name_or_number(std::string_view name,
                             unsigned number,
                             std::size_t run,
                             std::string& out) {
    if (run <= 2) {
      pad(number, run, out);
    } else {
      out += run == 3 ? name.substr(0, 3) : name;
    }
  }

  [[nodiscard]] bool append_fraction(bool with_zeros, std::size_t run, std::string& out) const {
    std::string digits = fmt::format("{:06}0", clock_.subseconds().count());
    if (run > digits.size()) {
      return false;
    }
    digits.resize(run);
    if (!with_zeros) {
      digits.resize(digits.find_last_not_of('0') + 1);
      if (digits.empty() && out.ends_with('.')) {
        out.pop_back();
      }
    }
    out += digits;
    return true;
  }

  std::chrono::sys_days days_;
  std::chrono::year_month_day date_;
  std::chrono::hh_mm_ss<core::Microseconds> clock_;
};

/// Appends the text behind a quote up to its partner; returns where to go on, or nothing where
/// there is no partner.
std::optional<std::size_t> append_quoted(std::string_view format,
                                         std::size_t open,
                                         std::string& out) {
  for (std::size_t i = open + 1; i < format.size(); ++i) {
    if (format[i] == format[open]) {
      return i + 1;
    }
    if (format[i] == '\\' && ++i == format.size()) {
      break;
    }
    out += format[i];
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> format_date(core::Time time, std::string_view format) {
  if (format.size() == 1) {
    format = standard_format(format.front());
    if (format.empty()) {
      return std::nullopt;
    }
  }
  const Parts parts(time);
  std::string out;
  for (std::size_t i = 0; i < format.size();) {
    const char c = format[i];
    if (c == '\'' || c == '"') {
      const auto next = append_quoted(format, i, out);
      if (!next) {
        return std::nullopt;
      }
      i = *next;
    } else if (c == '\\') {
      if (i + 1 == format.size()) {
        return std::nullopt;
      }
      out += format[i + 1];
      i += 2;
    } else if (c == '%') {
      // Says that the letter behind it is no standard format.
      if (i + 1 == format.size() || format[i + 1] == '%') {
        return std::nullopt;
      }
      ++i;
    } else {
      const std::size_t run = std::min(format.find_first_not_of(c, i), format.size()) - i;
      if (!parts.append(c, run, out)) {
        return std::nullopt;
      }
      i += run;
    }
  }
  return out;
}

}  // namespace plumbline::policy
