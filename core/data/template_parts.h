// SPDX-License-Identifier: Apache-2.0
// Inside of template.h: tokens, syntax tree, values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/data/template.h"

namespace crest::data::tpl {

enum class TokenKind { Text, BeginPrint, EndPrint, BeginTag, EndTag, Name, String, Integer, Number, Sign, End };

struct Token {
    TokenKind kind = TokenKind::End;
    std::string text; ///< of a String: unescaped
    int line = 1;
};

Result<std::vector<Token>> tokenize(std::string_view source, const std::string& where, TemplateDialect dialect);

enum class NodeKind {
    Literal,   ///< value
    Name,      ///< text
    List,      ///< kids
    Dict,      ///< kids: key, value, key, value
    Attribute, ///< kids[0] . text
    Index,     ///< kids[0] [ kids[1] ]
    Slice,     ///< kids[0] [ kids[1] : kids[2] : kids[3] ], each but the first may be null
    Method,    ///< kids[0] . text ( kids[1..]; names )
    Filter,    ///< kids[0] | text ( kids[1..]; names )
    Test,      ///< kids[0] is text (kids[1]); flag: is not
    Function,  ///< text ( kids; names ), of chat templates: a macro, or one of the few that there are
    Unknown,   ///< text: what is not in the language, said once it is reached
    Not,
    Negate,
    Binary, ///< kids[0] text kids[1]
    Chain,  ///< kids[0] texts[0] kids[1] texts[1] kids[2]: comparisons
    Either  ///< kids[1] if kids[0] else kids[2] (may be null)
};

struct Node {
    NodeKind kind = NodeKind::Literal;
    int line = 1;
    std::string text;
    std::vector<std::string> texts; ///< calls: the names of their last arguments; Chain: signs
    Json value;
    bool flag = false;
    std::vector<std::unique_ptr<Node>> kids;
};

struct Statement;

/// What stands between two tags.
struct Block {
    std::vector<Statement> statements;
};

enum class StatementKind { Text, Print, If, For, Set, SetField, SetText, With, FilterText, Macro, Break, Continue };

struct Statement {
    StatementKind kind = StatementKind::Text;
    std::string text;                ///< Text; Set*, Macro: the name
    std::vector<std::string> names;  ///< For, With: the variables; Set: where there are several; SetField: the field; Macro: the parameters
    std::unique_ptr<Node> condition; ///< Print: what; If: when; For: over what; Set, SetField: value; FilterText: filters of the name ""
    std::unique_ptr<Node> chosen;    ///< For: which items (may be null)
    std::vector<std::unique_ptr<Node>> defaults; ///< Macro: of its last parameters; With: the values
    Block then, otherwise;
};

Result<std::unique_ptr<Block>> parseBlock(std::vector<Token> tokens, const std::string& where, TemplateDialect dialect);

struct Namespace;

/// How far a list was read that can be read once: what map, select and their like make in chat templates.
enum class Reading { Not, Partly, Whole };

/// A value, or the name of what is not there. Cheap to copy; what a value shows is kept by it, or by whoever renders.
struct Value {
    std::shared_ptr<const Json> json;
    std::shared_ptr<Namespace> space;
    std::string missing;
    std::shared_ptr<Reading> reading = {}; ///< nullptr for all but such lists

    static Value of(Json made) { return {std::make_shared<const Json>(std::move(made)), nullptr, {}}; }
    static Value shown(const Json& kept) { return {{std::shared_ptr<const void>(), &kept}, nullptr, {}}; }
    static Value undefined(std::string name) { return {nullptr, nullptr, std::move(name)}; }
    /// A part of this one, kept with it.
    Value part(const Json& inside) const { return {{json, &inside}, nullptr, {}}; }
    bool defined() const { return json || space; }
    /// As an if takes it; what is not there is false, what is yet to be read is true.
    bool truth() const;
};

/// What namespace() makes: its fields can be set from inside of loops.
struct Namespace {
    std::map<std::string, Value> fields;
};

/// Steps, and bytes made and read, that one rendering may still use.
struct Budget {
    std::int64_t steps = 400'000;
    std::int64_t bytes = 0;
    std::int64_t reading = 0;
    Result<void> step();
    Result<void> wrote(std::size_t count);
    Result<void> read(std::size_t count);
};

/// Functions that chat templates find without having made them; some of them are not in the language.
bool isFunction(const std::string& name);

/// Calls with arguments that are evaluated; `named` by name.
struct Call {
    std::string name;
    const Json& subject;
    std::vector<Json> arguments;
    std::map<std::string, Json, std::less<>> named;
};

bool isFilter(const std::string& name, TemplateDialect dialect = TemplateDialect::Suite);
bool isMethod(const std::string& name, TemplateDialect dialect = TemplateDialect::Suite);
bool isTest(const std::string& name, TemplateDialect dialect = TemplateDialect::Suite);
bool testTakesValue(const std::string& name);
Result<Json> callFilter(const Call& call, Budget& budget);
Result<Json> callMethod(const Call& call, Budget& budget);
Result<Json> binary(const std::string& sign, const Json& left, const Json& right, Budget& budget);
Result<bool> compare(const std::string& sign, const Json& left, const Json& right, Budget& budget);
bool runTest(const std::string& name, const Json& value);
Result<bool> isOddOrEven(const std::string& name, const Json& value);
/// `value` is name `argument` (equalto, in, divisibleby, ...).
Result<bool> runTest(const std::string& name, const Json& value, const Json& argument, Budget& budget);

/// A filter or a method: what it does, and the names of its arguments in their order ("" for one that is given by its
/// place alone). A call with any other argument is refused, so that none is left without effect.
struct Function {
    Result<Json> (*run)(const Call&, Budget&);
    std::vector<std::string_view> arguments = {};
};
using FunctionTable = std::unordered_map<std::string, Function>;
const FunctionTable& usualFilters();
const FunctionTable& usualMethods();
const FunctionTable& suiteFilters(); ///< the harness's own, of tasks alone
/// Of chat templates: tojson, items, selectattr and what else tasks do not use.
const FunctionTable& chatFilters();
const FunctionTable& chatMethods();
tl::unexpected<Error> wrongCall(const Call& call, const std::string& what);
/// The argument at this place or of this name, nullptr where there is none.
const Json* argumentOf(const Call& call, std::size_t index, std::string_view name);
Result<std::string> textArgument(const Call& call, std::size_t index, std::string_view name);
Result<std::int64_t> numberArgument(const Call& call, std::size_t index, std::int64_t otherwise,
                                    std::string_view name = {});
/// Dictionaries do not keep the order of their keys; Unsupported where it would be seen. (A message has its role first.)
Result<std::vector<std::string>> keysInOrder(const Json& dictionary);
/// strftime of a day; Unsupported for what says a time of day.
Result<std::string> dayText(const std::string& date, const std::string& format);

/// What a value takes in memory, at least.
std::int64_t bytesOf(const Json& value);
bool isDeeper(const Json& value, int levels);

bool truth(const Json& value);
/// As Python's str() prints it; lists and dictionaries have none.
Result<std::string> printed(const Json& value);
bool equalValues(const Json& left, const Json& right);
/// "a text", "a list", ...
std::string kindOf(const Json& value);
/// The value of subject.name or subject[key]; not there: undefined.
Value fieldOf(const Value& subject, const std::string& name);
Result<Value> elementOf(const Value& subject, const Json& key, Budget& budget);
/// Bounds and step are whole numbers or null.
Result<Json> sliceOf(const Json& subject, const Json& first, const Json& last, const Json& step, Budget& budget);

} // namespace crest::data::tpl
