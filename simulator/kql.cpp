#include "simulator/kql.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace plumbline::simulator::kql {

namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxQueryBytes = std::size_t{64} << 10U;

// ---------------------------------------------------------------- tokens

enum class TokenKind { kName, kString, kNumber, kTimespan, kSymbol, kEnd };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of a string: its value; otherwise as written
  int line = 1;
  int position = 0;
};

/// Thrown inside this file only; `Query` turns it into a value.
struct Refused {
  Refusal refusal;
};

[[noreturn]] void refuse(const Token& token,
                         std::string code,
                         std::string message,
                         std::string expected = "") {
  throw Refused{Refusal{std::move(code),
                        std::move(message),
                        token.line,
                        token.position,
                        token.kind == TokenKind::kEnd ? "<EOF>" : token.text,
                        std::move(expected)}};
}

[[noreturn]] void refuse_syntax(const Token& token, std::string expected) {
  refuse(token,
         "ParserFailure",
         fmt::format(
             "The query could not be parsed at line {}, position {}.", token.line, token.position),
         std::move(expected));
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> all() {
    std::vector<Token> tokens;
    do {
      tokens.push_back(next());
    } while (tokens.back().kind != TokenKind::kEnd);
    return tokens;
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  char take() {
    const char c = text_[at_++];
    if (c == '\n') {
      ++line_;
      line_start_ = at_;
    }
    return c;
  }

  void skip_blanks() {
    while (at_ < text_.size()) {
      if (peek() == '/' && peek(1) == '/') {
        while (at_ < text_.size() && peek() != '\n') {
          take();
        }
      } else if (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n') {
        take();
      } else {
        return;
      }
    }
  }

  Token next() {
    skip_blanks();
    Token token;
    token.line = line_;
    token.position = static_cast<int>(at_ - line_start_);
    if (at_ >= text_.size()) {
      return token;
    }
    const char c = peek();
    if (c == '\'' || c == '"' || (c == '@' && (peek(1) == '\'' || peek(1) == '"'))) {
      return string(std::move(token));
    }
    if (is_digit(c)) {
      return number(std::move(token));
    }
    if (is_name_start(c)) {
      token.kind = TokenKind::kName;
      while (is_name_start(peek()) || is_digit(peek()) ||
             (peek() == '-' && is_hyphenated(token.text))) {
        token.text += take();
      }
      if (peek() == '~' && token.text == "in") {
        token.text += take();
      }
      return token;
    }
    token.kind = TokenKind::kSymbol;
    static constexpr std::string_view kPairs[] = {"==", "!=", "=~", "!~", "<=", ">=", "<>"};
    for (const std::string_view pair : kPairs) {
      if (text_.substr(at_, 2) == pair) {
        token.text = pair;
        take();
        take();
        return token;
      }
    }
    if (c == '!' && is_name_start(peek(1))) {  // !in, !contains, ...
      token.kind = TokenKind::kName;
      token.text += take();
      while (is_name_start(peek())) {
        token.text += take();
      }
      if (peek() == '~') {
        token.text += take();
      }
      return token;
    }
    token.text = take();
    return token;
  }

  /// Operators with a hyphen in their name; elsewhere it is a minus.
  static bool is_hyphenated(std::string_view name) {
    return name == "project" || name == "mv" || name == "make" || name == "project-away";
  }

  Token string(Token token) {
    token.kind = TokenKind::kString;
    const bool verbatim = peek() == '@';
    if (verbatim) {
      take();
    }
    const char quote = take();
    for (;;) {
      if (at_ >= text_.size() || peek() == '\n') {
        refuse_syntax(token, "closing quote");
      }
      const char c = take();
      if (c == quote) {
        if (!verbatim || peek() != quote) {
          return token;
        }
        token.text += take();
      } else if (c == '\\' && !verbatim && at_ < text_.size()) {
        const char escaped = take();
        switch (escaped) {
          case 'n':
            token.text += '\n';
            break;
          case 't':
            token.text += '\t';
            break;
          case 'r':
            token.text += '\r';
            break;
          default:
            token.text += escaped;
        }
      } else {
        token.text += c;
      }
    }
  }

  Token number(Token token) {
    token.kind = TokenKind::kNumber;
    while (is_digit(peek())) {
      token.text += take();
    }
    if (peek() == '.' && is_digit(peek(1))) {
      token.text += take();
      while (is_digit(peek())) {
        token.text += take();
      }
    }
    if (is_name_start(peek())) {
      token.kind = TokenKind::kTimespan;
      while (is_name_start(peek())) {
        token.text += take();
      }
    }
    return token;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
};

// ---------------------------------------------------------------- syntax tree

enum class ExprKind { kLiteral, kColumn, kMember, kIndex, kCall, kNegate, kBinary, kIn };

struct Expr {
  ExprKind kind = ExprKind::kLiteral;
  Token token;   // where it stands; its text is the column, member, function or operator
  Json literal;  // kLiteral; of a timespan: microseconds
  std::vector<Expr> args;
};

struct Named {
  std::string name;
  Expr expr;
};

enum class StageKind {
  kWhere,
  kProject,
  kProjectAway,
  kExtend,
  kDistinct,
  kOrder,
  kTake,
  kCount,
  kSummarize
};

struct Stage {
  StageKind kind = StageKind::kWhere;
  std::vector<Named> columns;   // of kOrder: keys
  std::vector<bool> ascending;  // kOrder
  std::string count_name;       // kSummarize
  std::int64_t limit = 0;       // kTake
};

const std::map<std::string, int, std::less<>>& functions() {
  // Name -> number of arguments; -1: any.
  static const std::map<std::string, int, std::less<>> known = {{"tolower", 1},
                                                                {"toupper", 1},
                                                                {"tostring", 1},
                                                                {"toint", 1},
                                                                {"tolong", 1},
                                                                {"tobool", 1},
                                                                {"isempty", 1},
                                                                {"isnotempty", 1},
                                                                {"isnull", 1},
                                                                {"isnotnull", 1},
                                                                {"todatetime", 1},
                                                                {"datetime", 1},
                                                                {"ago", 1},
                                                                {"now", 0},
                                                                {"strlen", 1},
                                                                {"strcat", -1},
                                                                {"hash", 1},
                                                                {"not", 1},
                                                                {"array_length", 1}};
  return known;
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  std::string table() {
    const Token& token = peek();
    if (token.kind != TokenKind::kName) {
      refuse_syntax(token, "table name");
    }
    return core::to_lower(advance().text);
  }

  std::vector<Stage> stages() {
    std::vector<Stage> stages;
    while (peek().kind != TokenKind::kEnd) {
      expect_symbol("|");
      stages.push_back(stage());
    }
    return stages;
  }

 private:
  [[nodiscard]] const Token& peek() const { return tokens_[at_]; }

  const Token& advance() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }

  bool accept(TokenKind kind, std::string_view text) {
    if (peek().kind == kind && peek().text == text) {
      advance();
      return true;
    }
    return false;
  }

  bool accept_symbol(std::string_view text) { return accept(TokenKind::kSymbol, text); }

  void expect_symbol(std::string_view text) {
    if (!accept_symbol(text)) {
      refuse_syntax(peek(), std::string(text));
    }
  }

  bool accept_word(std::string_view text) { return accept(TokenKind::kName, text); }

  Stage stage() {
    const Token head = advance();
    Stage stage;
    if (head.kind != TokenKind::kName) {
      refuse_syntax(head, "operator");
    }
    if (head.text == "where" || head.text == "filter") {
      stage.columns.push_back({"", expression()});
    } else if (head.text == "project") {
      stage.kind = StageKind::kProject;
      stage.columns = named_list();
    } else if (head.text == "project-away") {
      stage.kind = StageKind::kProjectAway;
      stage.columns = named_list();
    } else if (head.text == "extend") {
      stage.kind = StageKind::kExtend;
      stage.columns = named_list();
    } else if (head.text == "distinct") {
      stage.kind = StageKind::kDistinct;
      stage.columns = named_list();
    } else if (head.text == "order" || head.text == "sort") {
      stage.kind = StageKind::kOrder;
      if (!accept_word("by")) {
        refuse_syntax(peek(), "by");
      }
      order_keys(stage);
    } else if (head.text == "take" || head.text == "limit") {
      stage.kind = StageKind::kTake;
      stage.limit = integer();
    } else if (head.text == "count") {
      stage.kind = StageKind::kCount;
    } else if (head.text == "summarize") {
      summarize(stage);
    } else {
      refuse(head,
             "InvalidQueryLanguage",
             fmt::format("Operator '{}' is not understood here.", head.text));
    }
    return stage;
  }

  std::int64_t integer() {
    const Token token = advance();
    std::int64_t value = 0;
    const auto [end, error] =
        std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    if (token.kind != TokenKind::kNumber || error != std::errc{} ||
        end != token.text.data() + token.text.size()) {
      refuse_syntax(token, "integer");
    }
    return value;
  }

  void order_keys(Stage& stage) {
    do {
      Expr key = expression();
      bool ascending = false;  // Kusto's default is descending
      if (accept_word("asc")) {
        ascending = true;
      } else {
        accept_word("desc");
      }
      stage.columns.push_back({"", std::move(key)});
      stage.ascending.push_back(ascending);
    } while (accept_symbol(","));
  }

  void summarize(Stage& stage) {
    stage.kind = StageKind::kSummarize;
    stage.count_name = "count_";
    Token first = advance();
    if (first.kind == TokenKind::kName && accept_symbol("=")) {
      stage.count_name = first.text;
      first = advance();
    }
    if (first.kind != TokenKind::kName || first.text != "count") {
      refuse(first, "InvalidQueryLanguage", "Only count() is understood in summarize here.");
    }
    expect_symbol("(");
    expect_symbol(")");
    if (accept_word("by")) {
      stage.columns = named_list();
    }
  }

  std::vector<Named> named_list() {
    std::vector<Named> list;
    do {
      if (peek().kind == TokenKind::kName &&
          tokens_[std::min(at_ + 1, tokens_.size() - 1)].text == "=" &&
          tokens_[std::min(at_ + 1, tokens_.size() - 1)].kind == TokenKind::kSymbol) {
        std::string name = advance().text;
        advance();
        list.push_back({std::move(name), expression()});
      } else {
        Expr expr = expression();
        std::string name = default_name(expr, list.size() + 1);
        list.push_back({std::move(name), std::move(expr)});
      }
    } while (accept_symbol(","));
    return list;
  }

  /// `properties.a.b` becomes `properties_a_b`, as in Kusto.
  static std::string default_name(const Expr& expr, std::size_t number) {
    switch (expr.kind) {
      case ExprKind::kColumn:
        return expr.token.text;
      case ExprKind::kMember:
        return default_name(expr.args[0], number) + "_" + expr.token.text;
      case ExprKind::kIndex:
        if (expr.args[1].literal.is_string()) {
          return default_name(expr.args[0], number) + "_" + expr.args[1].literal.get<std::string>();
        }
        return default_name(expr.args[0], number) + "_" + dump(expr.args[1].literal);
      default:
        return fmt::format("Column{}", number);
    }
  }

  // Counts how deep expressions nest: their evaluation recurses.
  class Deeper {
   public:
    Deeper(int& depth, const Token& token) : depth_(depth) {
      if (++depth_ > kMaxDepth) {
        refuse(token, "ParserFailure", "The query nests too deeply.");
      }
    }

    ~Deeper() { --depth_; }

    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    int& depth_;
  };

  Expr expression() {
    const Deeper deeper(depth_, peek());
    return left_associative({"or"}, &Parser::conjunction);
  }

  Expr conjunction() { return left_associative({"and"}, &Parser::comparison); }

  Expr left_associative(std::initializer_list<std::string_view> operators,
                        Expr (Parser::*operand)()) {
    Expr left = (this->*operand)();
    int chained = 0;
    while (peek().kind != TokenKind::kString &&
           std::ranges::find(operators, std::string_view(peek().text)) != operators.end()) {
      if (++chained > 500) {
        refuse(peek(), "ParserFailure", "The query has too many operands in a row.");
      }
      Expr binary;
      binary.kind = ExprKind::kBinary;
      binary.token = advance();
      binary.args.push_back(std::move(left));
      binary.args.push_back((this->*operand)());
      left = std::move(binary);
    }
    return left;
  }

  Expr comparison() {
    Expr left = additive();
    static const std::set<std::string, std::less<>> comparisons = {"==",
                                                                   "!=",
                                                                   "<>",
                                                                   "=~",
                                                                   "!~",
                                                                   "<",
                                                                   "<=",
                                                                   ">",
                                                                   ">=",
                                                                   "contains",
                                                                   "!contains",
                                                                   "has",
                                                                   "!has",
                                                                   "startswith",
                                                                   "!startswith",
                                                                   "endswith",
                                                                   "!endswith",
                                                                   "contains_cs",
                                                                   "startswith_cs",
                                                                   "endswith_cs"};
    const Token& token = peek();
    if (token.kind == TokenKind::kString) {
      return left;
    }
    if (token.text == "in" || token.text == "in~" || token.text == "!in" || token.text == "!in~") {
      Expr in;
      in.kind = ExprKind::kIn;
      in.token = advance();
      in.args.push_back(std::move(left));
      expect_symbol("(");
      do {
        in.args.push_back(expression());
      } while (accept_symbol(","));
      expect_symbol(")");
      return in;
    }
    if (comparisons.contains(token.text)) {
      Expr binary;
      binary.kind = ExprKind::kBinary;
      binary.token = advance();
      binary.args.push_back(std::move(left));
      binary.args.push_back(additive());
      return binary;
    }
    return left;
  }

  Expr additive() { return left_associative({"+", "-"}, &Parser::multiplicative); }

  Expr multiplicative() { return left_associative({"*", "/", "%"}, &Parser::unary); }

  Expr unary() {
    if (peek().kind == TokenKind::kSymbol && peek().text == "-") {
      const Deeper deeper(depth_, peek());
      Expr negate;
      negate.kind = ExprKind::kNegate;
      negate.token = advance();
      negate.args.push_back(unary());
      return negate;
    }
    return postfix();
  }

  Expr postfix() {
    Expr expr = primary();
    for (int chained = 0;; ++chained) {
      if (chained > kMaxDepth) {
        refuse(peek(), "ParserFailure", "The path is too long.");
      }
      if (accept_symbol(".")) {
        if (peek().kind != TokenKind::kName) {
          refuse_syntax(peek(), "member name");
        }
        Expr member;
        member.kind = ExprKind::kMember;
        member.token = advance();
        member.args.push_back(std::move(expr));
        expr = std::move(member);
      } else if (peek().kind == TokenKind::kSymbol && peek().text == "[") {
        Expr index;
        index.kind = ExprKind::kIndex;
        index.token = advance();
        index.args.push_back(std::move(expr));
        Expr key = expression();
        if (key.kind == ExprKind::kNegate && key.args[0].literal.is_number_integer()) {
          key.kind = ExprKind::kLiteral;  // counts from the end
          key.literal = -key.args[0].literal.get<std::int64_t>();
        }
        if (key.kind != ExprKind::kLiteral) {
          refuse_syntax(key.token, "string or integer");
        }
        index.args.push_back(std::move(key));
        expect_symbol("]");
        expr = std::move(index);
      } else {
        return expr;
      }
    }
  }

  Expr primary() {
    Expr expr;
    expr.token = advance();
    const Token& token = expr.token;
    switch (token.kind) {
      case TokenKind::kString:
        expr.literal = token.text;
        return expr;
      case TokenKind::kNumber:
        expr.literal = Json::parse(token.text, nullptr, false);
        if (expr.literal.is_discarded()) {  // 007
          expr.literal = std::strtod(token.text.c_str(), nullptr);
        }
        return expr;
      case TokenKind::kTimespan:
        expr.literal = timespan(token);
        return expr;
      case TokenKind::kName:
        return name(std::move(expr));
      case TokenKind::kSymbol:
        if (token.text == "(") {
          Expr inner = expression();
          expect_symbol(")");
          return inner;
        }
        break;
      case TokenKind::kEnd:
        break;
    }
    refuse_syntax(token, "expression");
  }

  static std::int64_t timespan(const Token& token) {
    static const std::map<std::string, double, std::less<>> units = {
        {"d", 86400e6}, {"h", 3600e6}, {"m", 60e6}, {"s", 1e6}, {"ms", 1e3}, {"microsecond", 1}};
    const std::size_t digits = token.text.find_first_not_of("0123456789.");
    const auto unit = units.find(std::string_view(token.text).substr(digits));
    if (unit == units.end()) {
      refuse_syntax(token, "timespan");
    }
    const double value = std::strtod(token.text.c_str(), nullptr) * unit->second;
    if (!(value < 1e17)) {
      refuse_syntax(token, "timespan");
    }
    return static_cast<std::int64_t>(value);
  }

  Expr name(Expr expr) {
    const Token token = expr.token;
    if (token.text == "true" || token.text == "false") {
      expr.literal = token.text == "true";
      return expr;
    }
    if (!accept_symbol("(")) {
      expr.kind = ExprKind::kColumn;
      return expr;
    }
    const auto known = functions().find(token.text);
    if (known == functions().end()) {
      refuse(token,
             "UnknownFunction",
             fmt::format("Function '{}' is not understood here.", token.text));
    }
    if (token.text == "datetime") {
      return datetime_literal(std::move(expr));
    }
    expr.kind = ExprKind::kCall;
    if (!accept_symbol(")")) {
      do {
        expr.args.push_back(expression());
      } while (accept_symbol(","));
      expect_symbol(")");
    }
    const bool modulus = token.text == "hash" && expr.args.size() == 2;
    if (known->second >= 0 && !modulus &&
        expr.args.size() != static_cast<std::size_t>(known->second)) {
      refuse(token,
             "ParserFailure",
             fmt::format("Function '{}' takes {} arguments.", token.text, known->second));
    }
    return expr;
  }

  /// datetime(2024-06-14T18:57:02Z): the text between the parentheses need not be quoted.
  Expr datetime_literal(Expr expr) {
    std::string text;
    int position = -1;
    while (peek().kind != TokenKind::kEnd && peek().text != ")") {
      const Token& part = advance();
      if (position >= 0 && part.position != position) {
        text += ' ';
      }
      text += part.text;
      position = part.position + static_cast<int>(part.text.size());
    }
    expect_symbol(")");
    const std::size_t blank = text.find(' ');
    if (blank != std::string::npos) {
      text.replace(blank, 1, "T");
    }
    auto time = core::parse_rfc3339(text);
    if (!time) {
      time = core::parse_rfc3339(text + "Z");
    }
    if (!time) {
      refuse_syntax(expr.token, "datetime");
    }
    expr.kind = ExprKind::kLiteral;
    expr.literal = fmt::format("{}", core::to_micros(*time));
    expr.token.text = "datetime";
    return expr;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

// ---------------------------------------------------------------- evaluation

/// A time as a value: text of fixed width, so that order of text is order of time.
std::string time_text(core::Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto fraction = (time - seconds).count();
  std::string text = core::to_rfc3339(core::Time(seconds));
  text.pop_back();  // Z
  return fmt::format("{}.{:06}0Z", text, fraction);
}

std::string as_text(const Json& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  return value.is_null() ? std::string() : dump(value);
}

bool truthy(const Json& value) {
  return value.is_boolean() && value.get<bool>();
}

bool is_empty(const Json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
}

bool contains_term(std::string_view text, std::string_view term) {
  const auto is_word = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); };
  for (std::size_t at = text.find(term); at != std::string_view::npos;
       at = text.find(term, at + 1)) {
    const std::size_t end = at + term.size();
    if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]))) {
      return true;
    }
  }
  return false;
}

/// Equality as Kusto has it between scalars: an absent value equals only the empty string.
bool equal(const Json& a, const Json& b, bool ignore_case) {
  if (a.is_number() && b.is_number()) {
    return a == b;
  }
  if (a.is_boolean() || b.is_boolean()) {
    return a == b ||
           (a.is_string() || b.is_string() ? core::iequals(as_text(a), as_text(b)) : false);
  }
  if (a.is_number() != b.is_number() && (a.is_null() || b.is_null())) {
    return false;
  }
  const std::string left = as_text(a);
  const std::string right = as_text(b);
  return ignore_case ? core::iequals(left, right) : left == right;
}

/// Negative, zero or positive; nullopt when the two have no order.
std::optional<int> compare(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    const auto left = a.get<double>();
    const auto right = b.get<double>();
    return left < right ? -1 : (left > right ? 1 : 0);
  }
  if (a.is_string() && b.is_string()) {
    return a.get_ref<const std::string&>().compare(b.get_ref<const std::string&>());
  }
  if (a.is_boolean() && b.is_boolean()) {
    return static_cast<int>(a.get<bool>()) - static_cast<int>(b.get<bool>());
  }
  return std::nullopt;
}

/// Total order for sorting: null first, then by kind.
bool sorts_before(const Json& a, const Json& b) {
  if (const auto order = compare(a, b)) {
    return *order < 0;
  }
  if (a.is_null() != b.is_null()) {
    return a.is_null();
  }
  return as_text(a) < as_text(b);
}

Json member_of(const Json& value, const Json& key) {
  if (value.is_object() && key.is_string()) {
    const auto found = value.find(key.get_ref<const std::string&>());
    return found == value.end() ? Json() : *found;
  }
  if (value.is_array() && key.is_number_integer()) {
    const auto index = key.get<std::int64_t>();
    const auto size = static_cast<std::int64_t>(value.size());
    const std::int64_t at = index < 0 ? size + index : index;
    return at >= 0 && at < size ? value[static_cast<std::size_t>(at)] : Json();
  }
  return {};
}

Json arithmetic(char op, const Json& a, const Json& b) {
  if (!a.is_number() || !b.is_number()) {
    return {};
  }
  if (a.is_number_integer() && b.is_number_integer()) {
    // Wraps around instead of overflowing.
    const auto left = static_cast<std::uint64_t>(a.get<std::int64_t>());
    const auto right = static_cast<std::uint64_t>(b.get<std::int64_t>());
    const auto signed_left = static_cast<std::int64_t>(left);
    const auto signed_right = static_cast<std::int64_t>(right);
    switch (op) {
      case '+':
        return static_cast<std::int64_t>(left + right);
      case '-':
        return static_cast<std::int64_t>(left - right);
      case '*':
        return static_cast<std::int64_t>(left * right);
      default:
        if (signed_right == 0 || signed_right == -1) {
          return signed_right == 0 ? Json() : (op == '%' ? Json(0) : Json(-a.get<double>()));
        }
        return op == '/' ? signed_left / signed_right : signed_left % signed_right;
    }
  }
  const auto left = a.get<double>();
  const auto right = b.get<double>();
  switch (op) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    default:
      return std::fmod(left, right);
  }
}

std::int64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a; Kusto's own function is not documented
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return static_cast<std::int64_t>(hash >> 1U);
}

class Evaluator {
 public:
  explicit Evaluator(core::Time now) : now_(now) {}

  [[nodiscard]] Json evaluate(const Expr& expr, const Json& row) const {
    switch (expr.kind) {
      case ExprKind::kLiteral:
        if (expr.token.kind == TokenKind::kName && expr.token.text == "datetime") {
          return time_text(core::from_micros(
              std::strtoll(expr.literal.get_ref<const std::string&>().c_str(), nullptr, 10)));
        }
        return expr.literal;
      case ExprKind::kColumn:
        return row.value(expr.token.text, Json());
      case ExprKind::kMember:
        return member_of(evaluate(expr.args[0], row), expr.token.text);
      case ExprKind::kIndex:
        return member_of(evaluate(expr.args[0], row), expr.args[1].literal);
      case ExprKind::kNegate:
        return arithmetic('-', 0, evaluate(expr.args[0], row));
      case ExprKind::kIn:
        return in(expr, row);
      case ExprKind::kBinary:
        return binary(expr, row);
      case ExprKind::kCall:
        return call(expr, row);
    }
    return {};
  }

 private:
  [[nodiscard]] bool in(const Expr& expr, const Json& row) const {
    const bool negated = expr.token.text.front() == '!';
    const bool ignore_case = expr.token.text.back() == '~';
    const Json value = evaluate(expr.args[0], row);
    for (std::size_t i = 1; i < expr.args.size(); ++i) {
      if (equal(value, evaluate(expr.args[i], row), ignore_case)) {
        return !negated;
      }
    }
    return negated;
  }

  [[nodiscard]] Json binary(const Expr& expr, const Json& row) const {
    const std::string_view op = expr.token.text;
    if (op == "and") {
      return truthy(evaluate(expr.args[0], row)) && truthy(evaluate(expr.args[1], row));
    }
    if (op == "or") {
      return truthy(evaluate(expr.args[0], row)) || truthy(evaluate(expr.args[1], row));
    }
    const Json a = evaluate(expr.args[0], row);
    const Json b = evaluate(expr.args[1], row);
    if (op == "==" || op == "=~") {
      return equal(a, b, op == "=~");
    }
    if (op == "!=" || op == "<>" || op == "!~") {
      return !equal(a, b, op == "!~");
    }
    if (op.front() == '<' || op.front() == '>') {
      const auto order = compare(a, b);
      if (!order) {
        return false;
      }
      return op == "<"    ? *order < 0
             : op == "<=" ? *order <= 0
             : op == ">"  ? *order > 0
                          : *order >= 0;
    }
    if (op.size() == 1) {
      return arithmetic(op.front(), a, b);
    }
    return text_operator(op, as_text(a), as_text(b));
  }

  static bool text_operator(std::string_view op, std::string left, std::string right) {
    const bool negated = op.front() == '!';
    if (negated) {
      op.remove_prefix(1);
    }
    if (op.ends_with("_cs")) {
      op.remove_suffix(3);
    } else {
      left = core::to_lower(left);
      right = core::to_lower(right);
    }
    bool holds = false;
    if (op == "contains") {
      holds = left.find(right) != std::string::npos;
    } else if (op == "startswith") {
      holds = left.starts_with(right);
    } else if (op == "endswith") {
      holds = left.ends_with(right);
    } else {
      holds = contains_term(left, right);
    }
    return holds != negated;
  }

  [[nodiscard]] Json call(const Expr& expr, const Json& row) const {
    const std::string_view name = expr.token.text;
    if (name == "now") {
      return time_text(now_);
    }
    if (name == "strcat") {
      std::string text;
      for (const Expr& arg : expr.args) {
        text += as_text(evaluate(arg, row));
      }
      return text;
    }
    const Json value = evaluate(expr.args[0], row);
    if (name == "not") {
      return !truthy(value);
    }
    if (name == "tolower") {
      return core::to_lower(as_text(value));
    }
    if (name == "toupper") {
      std::string text = as_text(value);
      std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      });
      return text;
    }
    if (name == "tostring") {
      return as_text(value);
    }
    if (name == "toint" || name == "tolong") {
      return to_integer(value);
    }
    if (name == "tobool") {
      const std::string text = core::to_lower(as_text(value));
      return text == "true" ? Json(true) : text == "false" ? Json(false) : Json();
    }
    if (name == "isempty") {
      return is_empty(value);
    }
    if (name == "isnotempty") {
      return !is_empty(value);
    }
    if (name == "isnull") {
      return value.is_null();
    }
    if (name == "isnotnull") {
      return !value.is_null();
    }
    if (name == "strlen") {
      return as_text(value).size();
    }
    if (name == "array_length") {
      return value.is_array() ? Json(value.size()) : Json();
    }
    if (name == "hash") {
      const auto modulus = expr.args.size() > 1 ? to_integer(evaluate(expr.args[1], row)) : Json();
      const std::int64_t hash = hash_of(as_text(value));
      return modulus.is_number_integer() && modulus.get<std::int64_t>() > 0
                 ? hash % modulus.get<std::int64_t>()
                 : hash;
    }
    if (name == "ago") {
      return value.is_number_integer()
                 ? Json(time_text(now_ - core::Microseconds(value.get<std::int64_t>())))
                 : Json();
    }
    const auto time = core::parse_rfc3339(as_text(value));  // todatetime
    return time ? Json(time_text(*time)) : Json();
  }

  static Json to_integer(const Json& value) {
    if (value.is_number()) {
      return value.is_number_integer() ? value : Json(std::llround(value.get<double>()));
    }
    const std::string text = as_text(value);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? Json(number) : Json();
  }

  core::Time now_;
};

void check_columns(const Expr& expr, const std::vector<Column>& columns) {
  if (expr.kind == ExprKind::kColumn &&
      std::ranges::find(columns, expr.token.text, &Column::name) == columns.end()) {
    refuse(expr.token,
           "UnresolvedColumn",
           fmt::format("'{}' is not the name of a column here.", expr.token.text));
  }
  for (const Expr& arg : expr.args) {
    check_columns(arg, columns);
  }
}

/// The type a result column is announced with.
std::string type_of(const Expr& expr, const std::vector<Column>& columns) {
  if (expr.kind == ExprKind::kColumn) {
    return std::ranges::find(columns, expr.token.text, &Column::name)->type;
  }
  if (expr.kind == ExprKind::kLiteral) {
    return expr.literal.is_string()           ? "string"
           : expr.literal.is_boolean()        ? "boolean"
           : expr.literal.is_number_integer() ? "integer"
                                              : "number";
  }
  if (expr.kind == ExprKind::kMember || expr.kind == ExprKind::kIndex) {
    return "object";
  }
  if (expr.kind == ExprKind::kCall) {
    static const std::set<std::string, std::less<>> text = {
        "tolower", "toupper", "tostring", "strcat"};
    static const std::set<std::string, std::less<>> time = {"todatetime", "ago", "now"};
    static const std::set<std::string, std::less<>> number = {
        "toint", "tolong", "strlen", "hash", "array_length"};
    return text.contains(expr.token.text)     ? "string"
           : time.contains(expr.token.text)   ? "datetime"
           : number.contains(expr.token.text) ? "integer"
                                              : "boolean";
  }
  static const std::set<std::string, std::less<>> arithmetic_operators = {"+", "-", "*", "/", "%"};
  return expr.kind == ExprKind::kNegate || arithmetic_operators.contains(expr.token.text)
             ? "number"
             : "boolean";
}

void set_column(std::vector<Column>& columns, Column column) {
  const auto found = std::ranges::find(columns, column.name, &Column::name);
  if (found == columns.end()) {
    columns.push_back(std::move(column));
  } else {
    found->type = std::move(column.type);
  }
}

void project(Table& table, const Stage& stage, const Evaluator& evaluator) {
  std::vector<Column> columns;
  for (const Named& named : stage.columns) {
    set_column(columns, {named.name, type_of(named.expr, table.columns)});
  }
  for (Row& row : table.rows) {
    auto projected = std::make_shared<Json>(Json::object());
    for (const Named& named : stage.columns) {
      (*projected)[named.name] = evaluator.evaluate(named.expr, *row);
    }
    row = std::move(projected);
  }
  table.columns = std::move(columns);
}

void distinct(Table& table) {
  std::set<std::string> seen;
  std::erase_if(table.rows, [&](const Row& row) { return !seen.insert(dump(*row)).second; });
}

struct Keyed {
  std::vector<Json> keys;
  std::size_t place = 0;  // in the input: equal rows keep their order
  Row row;
};

void order(Table& table, const Stage& stage, const Evaluator& evaluator) {
  std::vector<Keyed> keyed;
  keyed.reserve(table.rows.size());
  for (Row& row : table.rows) {
    Keyed entry;
    for (const Named& named : stage.columns) {
      entry.keys.push_back(evaluator.evaluate(named.expr, *row));
    }
    entry.place = keyed.size();
    entry.row = std::move(row);
    keyed.push_back(std::move(entry));
  }
  std::ranges::sort(keyed, [&](const Keyed& a, const Keyed& b) {
    for (std::size_t i = 0; i < a.keys.size(); ++i) {
      const Json& left = stage.ascending[i] ? a.keys[i] : b.keys[i];
      const Json& right = stage.ascending[i] ? b.keys[i] : a.keys[i];
      if (sorts_before(left, right)) {
        return true;
      }
      if (sorts_before(right, left)) {
        return false;
      }
    }
    return a.place < b.place;
  });
  for (std::size_t i = 0; i < keyed.size(); ++i) {
    table.rows[i] = std::move(keyed[i].row);
  }
}

void summarize(Table& table, const Stage& stage, const Evaluator& evaluator) {
  project(table, stage, evaluator);
  std::map<std::string, std::int64_t> counts;
  std::vector<Row> groups;
  for (const Row& row : table.rows) {
    if (++counts[dump(*row)] == 1) {
      groups.push_back(row);
    }
  }
  if (groups.empty() && stage.columns.empty()) {
    groups.push_back(std::make_shared<Json>(Json::object()));  // a count over nothing is 0
  }
  table.rows.clear();
  for (const Row& group : groups) {
    auto row = std::make_shared<Json>(*group);
    (*row)[stage.count_name] = counts[dump(*group)];
    table.rows.push_back(std::move(row));
  }
  set_column(table.columns, {stage.count_name, "integer"});
}

void apply(Table& table, const Stage& stage, const Evaluator& evaluator) {
  for (const Named& named : stage.columns) {
    check_columns(named.expr, table.columns);
  }
  switch (stage.kind) {
    case StageKind::kWhere:
      std::erase_if(table.rows, [&](const Row& row) {
        return !truthy(evaluator.evaluate(stage.columns[0].expr, *row));
      });
      break;
    case StageKind::kProject:
      project(table, stage, evaluator);
      break;
    case StageKind::kDistinct:
      project(table, stage, evaluator);
      distinct(table);
      break;
    case StageKind::kProjectAway: {
      for (Row& row : table.rows) {
        auto kept = std::make_shared<Json>(*row);
        for (const Named& named : stage.columns) {
          kept->erase(named.name);
        }
        row = std::move(kept);
      }
      for (const Named& named : stage.columns) {
        std::erase_if(table.columns,
                      [&](const Column& column) { return column.name == named.name; });
      }
      break;
    }
    case StageKind::kExtend: {
      // Each expression sees the columns to its left (checked above against the input only).
      for (Row& row : table.rows) {
        auto extended = std::make_shared<Json>(*row);
        for (const Named& named : stage.columns) {
          (*extended)[named.name] = evaluator.evaluate(named.expr, *row);
        }
        row = std::move(extended);
      }
      std::vector<Column> columns = table.columns;
      for (const Named& named : stage.columns) {
        set_column(columns, {named.name, type_of(named.expr, table.columns)});
      }
      table.columns = std::move(columns);
      break;
    }
    case StageKind::kOrder:
      order(table, stage, evaluator);
      break;
    case StageKind::kTake:
      if (static_cast<std::size_t>(stage.limit) < table.rows.size()) {
        table.rows.resize(static_cast<std::size_t>(stage.limit));
      }
      break;
    case StageKind::kCount: {
      const Json count = {{"Count", table.rows.size()}};
      table.rows.assign(1, std::make_shared<Json>(count));
      table.columns = {{"Count", "integer"}};
      break;
    }
    case StageKind::kSummarize:
      summarize(table, stage, evaluator);
      break;
  }
}

}  // namespace

struct Query::Parts {
  std::string table;
  std::vector<Stage> stages;
};

Query::Query(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Query::Query(Query&&) noexcept = default;
Query& Query::operator=(Query&&) noexcept = default;
Query::~Query() = default;

std::expected<Query, Refusal> Query::parse(std::string_view text) {
  try {
    if (text.size() > kMaxQueryBytes) {
      refuse(Token(), "ParserFailure", "The query is too long.");
    }
    Parser parser(Lexer(text).all());
    auto parts = std::make_unique<Parts>();
    parts->table = parser.table();
    parts->stages = parser.stages();
    return Query(std::move(parts));
  } catch (Refused& refused) {
    return std::unexpected(std::move(refused.refusal));
  }
}

const std::string& Query::table() const {
  return parts_->table;
}

std::expected<Outcome, Refusal> Query::run(Table input, core::Time now) const {
  try {
    Outcome outcome;
    outcome.table = std::move(input);
    const Evaluator evaluator(now);
    for (const Stage& stage : parts_->stages) {
      apply(outcome.table, stage, evaluator);
      outcome.has_limit = outcome.has_limit || stage.kind == StageKind::kTake;
    }
    return outcome;
  } catch (Refused& refused) {
    return std::unexpected(std::move(refused.refusal));
  }
}

}  // namespace plumbline::simulator::kql
