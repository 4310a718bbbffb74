// SPDX-License-Identifier: Apache-2.0
// Inside of template.h: tokens, syntax tree, values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::data::tpl {

enum class TokenKind { Text, BeginPrint, EndPrint, BeginTag, EndTag, Name, String, Integer, Number, Sign, End };

struct Token {
    TokenKind kind = TokenKind::End;
    std::string text; ///< of a String: unescaped
    int line = 1;
};

Result<std::vector<Token>> tokenize(std::string_view source, const std::string& where);

enum class NodeKind {
    Literal,   ///< value
    Name,      ///< text
    List,      ///< kids
    Dict,      ///< kids: key, value, key, value
    Attribute, ///< kids[0] . text
    Index,     ///< kids[0] [ kids[1] ]
    Slice,     ///< kids[0] [ kids[1] : kids[2] ], either may be null
    Method,    ///< kids[0] . text ( kids[1..] )
    Filter,    ///< kids[0] | text ( kids[1..]; names )
    Test,      ///< kids[0] is text; flag: is not
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
    std::vector<std::string> texts; ///< Filter: the names of its last arguments; Chain: signs
    Json value;
    bool flag = false;
    std::vector<std::unique_ptr<Node>> kids;
};

struct Statement;

/// What stands between two tags.
struct Block {
    std::vector<Statement> statements;
};

enum class StatementKind { Text, Print, If, For, Set };

struct Statement {
    StatementKind kind = StatementKind::Text;
    std::string text;                ///< Text; For and Set: the variable
    std::unique_ptr<Node> condition; ///< Print: what; If: when; For: over what; Set: value
    Block then, otherwise;
};

Result<std::unique_ptr<Block>> parseBlock(std::vector<Token> tokens, const std::string& where);

/// A value, or the name of what is not there.
struct Value {
    Json json;
    std::string missing;
    bool defined() const { return missing.empty(); }
};

/// Steps and bytes that one rendering may still use.
struct Budget {
    std::int64_t steps = 400'000;
    std::int64_t bytes = 0;
    Result<void> step();
    Result<void> wrote(std::size_t count);
};

/// Calls with arguments that are evaluated; `named` by name.
struct Call {
    std::string name;
    Json subject;
    std::vector<Json> arguments;
    std::map<std::string, Json> named;
};

bool isFilter(const std::string& name);
bool isMethod(const std::string& name);
bool isTest(const std::string& name);
Result<Json> callFilter(const Call& call, Budget& budget);
Result<Json> callMethod(const Call& call, Budget& budget);
Result<Json> binary(const std::string& sign, const Json& left, const Json& right, Budget& budget);
Result<bool> compare(const std::string& sign, const Json& left, const Json& right);
bool runTest(const std::string& name, const Json& value);

bool truth(const Json& value);
/// As Python's str() prints it; lists and dictionaries have none.
Result<std::string> printed(const Json& value);
bool equalValues(const Json& left, const Json& right);
/// "a text", "a list", ...
std::string kindOf(const Json& value);
/// The value of subject.name or subject[key]; not there: undefined.
Value fieldOf(const Json& subject, const std::string& name);
Result<Value> elementOf(const Json& subject, const Json& key);
Result<Json> sliceOf(const Json& subject, const Json& first, const Json& last);

} // namespace crest::data::tpl
