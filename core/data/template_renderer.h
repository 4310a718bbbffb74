// SPDX-License-Identifier: Apache-2.0
// Inside of template.h: one rendering of a template, with what it may still use.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/data/template_parts.h"

namespace crest::data::tpl {

class Renderer {
public:
    /// `variables` must outlive it; so must the template, and `date`.
    Renderer(const Json& variables, TemplateDialect dialect, const std::string& date);

    Result<void> write(const Block& block, std::string& out);
    /// A value that is there; NotFound, naming it, where it is not.
    Result<Value> defined(const Node& node);

private:
    enum class Flow { On, Break, Continue };

    /// Names of the template, of a loop or of a macro; those inside end with it.
    struct Frame {
        std::map<std::string, Value> names;
        const std::vector<Value>* items = nullptr; ///< of a loop
        std::size_t at = 0;
        bool isMacro = false; ///< nothing below it is seen but the names of the template
    };

    const Value m_variables;
    const TemplateDialect m_dialect;
    const std::string& m_date;
    std::vector<Frame> m_frames;
    std::map<std::string, const Statement*> m_macros;
    Budget m_budget;
    Flow m_flow = Flow::On;
    int m_depth = 0, m_calls = 0;

    bool isChat() const { return m_dialect == TemplateDialect::Chat; }

    Result<void> writeOne(const Statement& statement, std::string& out);
    Result<void> print(const Node& node, std::string& out);
    Result<void> setField(const Statement& statement);
    Result<void> setText(const Statement& statement);
    /// The text of a block whose names end with it.
    Result<std::string> textOf(const Block& block);
    Result<void> with(const Statement& statement, std::string& out);
    Result<void> filterText(const Statement& statement, std::string& out);
    Result<void> loop(const Statement& statement, std::string& out);
    Result<std::vector<Value>> items(const Node& over);
    Result<std::vector<Value>> chosenItems(const Statement& statement, std::vector<Value> all);
    /// Unsupported for a list that is yet to be read where a value is needed.
    static Result<void> checkRead(const Value& value);
    /// The list that is read now, and empty the next time.
    static Result<Value> readOnce(const Value& value);
    Result<void> setSeveral(const Statement& statement);
    Result<void> bind(const Statement& statement, const Value& item);
    Result<Value> callMacro(const Statement& macro, const std::vector<Value>& arguments, const Node& call);
    Result<void> bindParameters(const Statement& macro, const std::vector<Value>& arguments, const Node& call);

    /// The value of a name that was set, nullptr where there is none.
    Value* found(const std::string& name);
    const Frame* innerLoop() const;
    Value ofLoop(const Frame& frame, const std::string& field) const;

    Result<Value> evaluate(const Node& node);
    Result<Value> evaluateOne(const Node& node);
    Value named(const std::string& name);
    Result<Value> attribute(const Node& node);
    Result<Value> test(const Node& node);
    Result<Value> filter(const Node& node);
    Result<Value> defaultOf(const Node& node, const Value& value);
    Result<Value> function(const Node& node);
    Result<Value> builtIn(const Node& node, const std::vector<Value>& arguments);
    Result<Value> range(const std::vector<Value>& arguments);
    Result<Value> either(const Node& node);
    Result<Value> binaryOf(const Node& node);
    Result<Value> chain(const Node& node);
    Result<Json> computed(const Node& node);
    Result<Json> list(const Node& node);
    Result<Json> dictionary(const Node& node);
    Result<Json> slice(const Node& node);
    Result<Json> call(const Node& node, const Json& subject);
    Result<bool> holds(const Node& node);
    Result<bool> compared(const std::string& sign, const Value& left, const Value& right);
    Result<Json> kept(Json made);
};

} // namespace crest::data::tpl
