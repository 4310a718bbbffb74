// SPDX-License-Identifier: Apache-2.0
// The machine of the pickle: one pass over the bytes, a stack, marks and a memo.
#include "core/io/pickle_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "core/io/pickle_heap.h"

namespace crest::io {
namespace {

using namespace detail; // NOLINT: the reader's own parts

constexpr std::size_t kMaxStack = 100'000, kMaxMarks = 64, kMaxGlobalBytes = 128, kMaxTextBytes = 1'000'000;
constexpr Ref kNothing = std::numeric_limits<Ref>::max();

std::string shownName(std::string_view text) {
    std::string out = Json(std::string(text.substr(0, 80))).dump(-1, ' ', true, Json::error_handler_t::replace);
    return text.size() > 80 ? out + "..." : out;
}

/// Well-formed UTF-8 of RFC 3629: shortest forms, no surrogates, at most U+10FFFF.
bool isUtf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t more = lead < 0x80   ? 0
                                 : lead < 0xc2 ? 4
                                 : lead < 0xe0 ? 1
                                 : lead < 0xf0 ? 2
                                 : lead < 0xf5 ? 3
                                               : 4;
        if (more == 4 || more >= text.size() - i)
            return false;
        std::uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);
        for (std::size_t k = 1; k <= more; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            if ((next & 0xc0) != 0x80)
                return false;
            point = point << 6 | (next & 0x3fu);
        }
        if ((more == 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
            (more == 3 && (point < 0x10000 || point > 0x10ffff)))
            return false;
        i += more + 1;
    }
    return true;
}

class Machine {
public:
    explicit Machine(std::string_view pickle)
        : m_pickle(pickle)
        , m_heap(pickle) {}

    PickledObject run() {
        if (m_pickle.size() < 2 || m_pickle[0] != '\x80')
            refuse("it does not begin with the opcode PROTO");
        if (m_pickle[1] != 2)
            throw Refusal{ErrorKind::Unsupported,
                          fmt::format("it is of protocol {}; torch.save writes protocol 2 unless told otherwise",
                                      static_cast<unsigned char>(m_pickle[1]))};
        m_next = 2;
        while (step()) {
        }
        if (m_next != m_pickle.size())
            refuse(fmt::format("{} bytes follow its end", m_pickle.size() - m_next));
        if (m_stack.size() != 1 || !m_marks.empty())
            refuse("it does not end with one value");
        m_opcode = 0;
        return unfold(m_heap, m_stack.front());
    }
    /// The opcode that is carried out and where; "" before and after.
    std::string place() const {
        return m_opcode == 0 ? std::string()
                             : fmt::format(" (opcode {} at byte {} of the pickle)", opcodeName(m_opcode), m_at);
    }

private:
    std::string_view m_pickle;
    Heap m_heap;
    std::size_t m_next = 0, m_at = 0;
    std::uint8_t m_opcode = 0;
    std::vector<Ref> m_stack, m_memo;
    std::vector<std::size_t> m_marks;

    std::string_view bytes(std::size_t count) {
        if (count > m_pickle.size() - m_next)
            refuse(fmt::format("{} bytes are announced, {} are left", count, m_pickle.size() - m_next));
        m_next += count;
        return m_pickle.substr(m_next - count, count);
    }
    template<class T> T number() {
        T value{};
        std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
        return value;
    }
    std::string_view line() {
        const std::size_t end = m_pickle.find('\n', m_next);
        if (end == std::string_view::npos || end - m_next > kMaxGlobalBytes)
            refuse(fmt::format("a name has no end within {} bytes", kMaxGlobalBytes));
        const std::string_view out = m_pickle.substr(m_next, end - m_next);
        m_next = end + 1;
        return out;
    }

    void push(Ref ref) {
        if (m_stack.size() == kMaxStack)
            refuse(fmt::format("more than {} values wait on its stack", kMaxStack));
        m_stack.push_back(ref);
    }
    void pushBool(bool value) { push(m_heap.add({Kind::Bool, false, 0, value ? 1u : 0u})); }
    /// Values below the last mark cannot be taken.
    std::size_t available() const { return m_stack.size() - (m_marks.empty() ? 0 : m_marks.back()); }
    Ref top() const {
        if (available() == 0)
            refuse("a value is missing on its stack");
        return m_stack.back();
    }
    Ref pop() {
        const Ref ref = top();
        m_stack.pop_back();
        return ref;
    }
    /// Everything above the last mark, taken off with the mark.
    std::vector<Ref> popMarked() {
        if (m_marks.empty())
            refuse("a mark is missing on its stack");
        const auto from = m_stack.begin() + static_cast<std::ptrdiff_t>(m_marks.back());
        std::vector<Ref> out(from, m_stack.end());
        m_stack.erase(from, m_stack.end());
        m_marks.pop_back();
        return out;
    }
    const Node& requireTop(Kind kind, const char* what) const {
        const Node& node = m_heap[top()];
        if (node.kind != kind)
            refuse(fmt::format("{} needs {}, there is {}", what, kindName(kind), kindName(node.kind)));
        return node;
    }

    void mark() {
        if (m_marks.size() == kMaxMarks)
            refuse(fmt::format("more than {} marks are open", kMaxMarks));
        m_marks.push_back(m_stack.size());
    }
    void put(std::size_t index) {
        const Ref ref = top();
        if (index >= m_memo.size()) {
            m_heap.charge((index + 1 - m_memo.size()) * 3 * sizeof(Ref));
            m_memo.resize(index + 1, kNothing);
        }
        m_memo[index] = ref;
    }
    void get(std::size_t index) {
        if (index >= m_memo.size() || m_memo[index] == kNothing)
            refuse(fmt::format("memo {} was never filled", index));
        push(m_memo[index]);
    }
    void text(std::size_t count, bool asciiOnly) {
        if (count > kMaxTextBytes)
            refuse(fmt::format("a text of {} bytes; at most {} are read", count, kMaxTextBytes));
        const std::size_t at = m_next;
        const std::string_view content = bytes(count);
        const bool sound = asciiOnly ? std::all_of(content.begin(), content.end(),
                                                   [](char c) { return static_cast<unsigned char>(c) < 128; })
                                     : isUtf8(content);
        if (!sound)
            refuse(asciiOnly ? "a byte string is not ASCII" : "a text is not UTF-8");
        push(m_heap.add({Kind::Text, false, static_cast<std::uint32_t>(count), at}));
    }
    void longNumber() {
        const std::string_view content = bytes(number<std::uint8_t>());
        if (content.size() > 8)
            refuse("a whole number of more than 64 bits");
        std::uint64_t value = !content.empty() && (content.back() & 0x80) ? ~std::uint64_t{0} : 0;
        for (std::size_t i = content.size(); i-- > 0;)
            value = value << 8 | static_cast<unsigned char>(content[i]);
        push(m_heap.addInt(static_cast<std::int64_t>(value)));
    }
    void real() {
        std::uint64_t value = 0;
        for (const char c : bytes(8))
            value = value << 8 | static_cast<unsigned char>(c);
        push(m_heap.add({Kind::Float, false, 0, value}));
    }
    void tuple(std::size_t count) {
        if (available() < count)
            refuse("a value is missing on its stack");
        const Ref made = m_heap.addTuple(std::span(m_stack).last(count));
        m_stack.resize(m_stack.size() - count);
        push(made);
    }
    void markedTuple() { push(m_heap.addTuple(popMarked())); }
    void global() {
        const std::string_view module = line(), name = line();
        const KnownName* known = findName(module, name);
        if (!known)
            throw Refusal{ErrorKind::Unsupported,
                          fmt::format("it asks for {} {}, which no file of weights needs; nothing was run",
                                      shownName(module), shownName(name))};
        push(m_heap.addName(*known));
    }
    void call(bool makesObject) {
        const Ref arguments = pop();
        if (m_heap[arguments].kind != Kind::Tuple)
            refuse(fmt::format("the arguments of a call are {}", kindName(m_heap[arguments].kind)));
        const KnownName& name = m_heap.name(requireTop(Kind::Name, "a call"));
        if (makesObject && name.meaning != Meaning::OrderedDict)
            refuse(fmt::format("an object of {} {} is made", name.module, name.name));
        pop();
        push(reduce(m_heap, name, m_heap[arguments]));
    }
    /// A module's state dict carries its _metadata as attributes; they say nothing that is needed.
    void build() {
        const Node& state = m_heap[pop()];
        const Node& target = requireTop(Kind::Dict, "setting attributes");
        if (!target.ordered || state.kind != Kind::Dict)
            refuse("attributes are set that only an OrderedDict has");
    }
    void appendAll(const std::vector<Ref>& items) { m_heap.append(requireTop(Kind::List, "appending"), items); }
    void setAll(const std::vector<Ref>& items) {
        if (items.size() % 2 != 0)
            refuse("a key has no value");
        m_heap.append(requireTop(Kind::Dict, "setting an item"), items);
    }
    void setOne() {
        const Ref value = pop(), key = pop();
        setAll({key, value});
    }

    /// Carries out one opcode; false at STOP.
    bool step();
    // Each carries out the opcode where it is one of its kind; false where it is not.
    bool stepScalar();
    bool stepContainer();
    bool stepObject();
};

bool Machine::step() {
    m_at = m_next;
    m_opcode = 0;
    if (m_next == m_pickle.size())
        refuse("it has no end (the opcode STOP is missing)");
    m_opcode = static_cast<std::uint8_t>(m_pickle[m_next++]);
    if (m_opcode == '.')
        return false;
    if (!stepScalar() && !stepContainer() && !stepObject())
        throw Refusal{ErrorKind::Unsupported, "it has an opcode that torch.save does not write; nothing was run"};
    return true;
}

/// None, truth values, numbers and texts.
bool Machine::stepScalar() {
    switch (m_opcode) {
    case 'N':
        push(m_heap.add({}));
        return true;
    case 0x88:
    case 0x89:
        pushBool(m_opcode == 0x88);
        return true;
    case 'J':
        push(m_heap.addInt(number<std::int32_t>()));
        return true;
    case 'K':
        push(m_heap.addInt(number<std::uint8_t>()));
        return true;
    case 'M':
        push(m_heap.addInt(number<std::uint16_t>()));
        return true;
    case 0x8a:
        longNumber();
        return true;
    case 'G':
        real();
        return true;
    case 'X':
        text(number<std::uint32_t>(), false);
        return true;
    case 'U':
        text(number<std::uint8_t>(), true);
        return true;
    default:
        return false;
    }
}

/// Dictionaries, lists, tuples, and what is put into them.
bool Machine::stepContainer() {
    switch (m_opcode) {
    case '(':
        mark();
        return true;
    case '}':
        push(m_heap.addDict(false));
        return true;
    case ']':
        push(m_heap.addList());
        return true;
    case ')':
        tuple(0);
        return true;
    case 0x85:
    case 0x86:
    case 0x87:
        tuple(m_opcode - 0x84u);
        return true;
    case 't':
        markedTuple();
        return true;
    case 'a':
        appendAll({pop()});
        return true;
    case 'e':
        appendAll(popMarked());
        return true;
    case 's':
        setOne();
        return true;
    case 'u':
        setAll(popMarked());
        return true;
    default:
        return false;
    }
}

/// The memo, names, storages and the few calls that a file of weights makes.
bool Machine::stepObject() {
    switch (m_opcode) {
    case 'q':
        put(number<std::uint8_t>());
        return true;
    case 'r':
        put(number<std::uint32_t>());
        return true;
    case 'h':
        get(number<std::uint8_t>());
        return true;
    case 'j':
        get(number<std::uint32_t>());
        return true;
    case 'c':
        global();
        return true;
    case 'Q':
        push(storageOf(m_heap, m_heap[pop()]));
        return true;
    case 'R':
        call(false);
        return true;
    case 0x81:
        call(true);
        return true;
    case 'b':
        build();
        return true;
    default:
        return false;
    }
}

} // namespace

Result<PickledObject> readTorchPickle(std::span<const std::byte> pickle, const std::string& where) {
    if (pickle.size() > kMaxPickleBytes)
        return fail(ErrorKind::Malformed,
                    fmt::format("Not a sound pickle of weights: it has {} bytes, at most {} are read.", pickle.size(),
                                kMaxPickleBytes),
                    where);
    Machine machine({reinterpret_cast<const char*>(pickle.data()), pickle.size()});
    try {
        return machine.run();
    } catch (const Refusal& refusal) {
        return fail(refusal.kind, "Not a pickle of weights that is read: " + refusal.why + machine.place() + ".",
                    where);
    }
}

} // namespace crest::io
