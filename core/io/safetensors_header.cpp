// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/io/files.h"
#include "core/io/safetensors.h"

namespace crest::io {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor data is read in place as little-endian");

constexpr std::uint64_t kMaxHeaderBytes = 50'000'000; ///< the library's limit is twice that, the hub's half of it
constexpr std::size_t kMaxTensors = 131'072;         ///< the largest models have 100,000, over many files
constexpr std::size_t kMaxAllNameBytes = 16'000'000;    ///< of all names
constexpr std::size_t kMaxMetadata = 32'768;         ///< entries
constexpr std::size_t kMaxMetadataBytes = 8'000'000; ///< keys and values
constexpr std::size_t kMaxTokenBytes = 4'000'000;    ///< a text, or what is between two
constexpr std::size_t kMaxTexts = 1'000'000;
constexpr std::size_t kMaxRank = 16;
constexpr std::size_t kMaxKeyDepth = 6; ///< of unknown keys inside an entry

struct DTypeRow {
    const char* text;
    unsigned bits;
    DType dtype;
};
/// Every dtype that safetensors 0.8.0 knows.
constexpr DTypeRow kDTypes[] = {
    {"F32", 32, DType::F32},      {"F16", 16, DType::F16},      {"BF16", 16, DType::BF16},
    {"F64", 64, DType::F64},      {"I64", 64, DType::I64},      {"I32", 32, DType::I32},
    {"I16", 16, DType::I16},      {"I8", 8, DType::I8},         {"U8", 8, DType::U8},
    {"BOOL", 8, DType::Bool},     {"U16", 16, DType::Other},    {"U32", 32, DType::Other},
    {"U64", 64, DType::Other},    {"C64", 64, DType::Other},    {"F8_E4M3", 8, DType::Other},
    {"F8_E5M2", 8, DType::Other}, {"F8_E8M0", 8, DType::Other}, {"F8_E4M3FNUZ", 8, DType::Other},
    {"F4", 4, DType::Other},      {"F6_E2M3", 6, DType::Other}, {"F8_E5M2FNUZ", 8, DType::Other},
    {"F6_E3M2", 6, DType::Other}};

/// A text of a foreign file, cut and made printable for a message.
std::string shown(const std::string& text) {
    std::string out = nlohmann::json(text.substr(0, 80)).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    return text.size() > 80 ? out + "..." : out;
}

/// Reads the header without a tree of it in memory: megabytes of nested JSON cost no more than their own size.
class HeaderHandler final : public nlohmann::json_sax<nlohmann::json> {
public:
    SafetensorsHeader header;
    std::string problem;

    bool null() override { return scalar("null"); }
    bool boolean(bool) override { return scalar("true or false"); }
    bool number_integer(number_integer_t value) override {
        return value < 0 ? number(0, true) : number(static_cast<std::uint64_t>(value), false);
    }
    bool number_unsigned(number_unsigned_t value) override { return number(value, false); }
    bool number_float(number_float_t, const string_t&) override { return number(0, true); }
    bool binary(binary_t&) override { return refuse("binary data"); }
    bool string(string_t& value) override;
    bool start_object(std::size_t) override;
    bool key(string_t& name) override;
    bool end_object() override;
    bool start_array(std::size_t) override;
    bool end_array() override;
    bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
        return refuse(fmt::format("the header is not valid JSON at its byte {}", at));
    }

private:
    enum class State { Start, Root, Metadata, Entry, Shape, Offsets, Skipped, Done };
    enum class Field { None, DType, Shape, Offsets, Other };

    State m_state = State::Start;
    State m_beforeSkip = State::Entry;
    std::size_t m_skipDepth = 0;
    bool m_nextIsMetadata = false, m_metadataSeen = false;
    Field m_field = Field::None;
    bool m_hasShape = false, m_hasOffsets = false, m_hasDType = false;
    TensorEntry m_entry;
    std::vector<std::uint64_t> m_offsets;
    std::size_t m_nameBytes = 0, m_metadataBytes = 0;
    std::string m_key;

    bool refuse(std::string why) {
        if (problem.empty())
            problem = std::move(why);
        return false;
    }
    bool refuseEntry(const std::string& why) { return refuse(fmt::format("tensor {}: {}", shown(m_entry.name), why)); }
    bool scalar(const char* what);
    bool number(std::uint64_t value, bool outside);
    bool finishEntry();
};

bool HeaderHandler::scalar(const char* what) {
    if (m_state == State::Skipped || (m_state == State::Entry && m_field == Field::Other))
        return true;
    if (m_state == State::Metadata)
        return refuse("a value of __metadata__ is not a text");
    return refuse(fmt::format("{} where an object, array, number or text must be", what));
}

bool HeaderHandler::number(std::uint64_t value, bool outside) {
    if (m_state != State::Shape && m_state != State::Offsets)
        return scalar("a number");
    if (outside || value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return refuseEntry(m_state == State::Shape ? "a size in its shape is not a whole number from 0 to 2^63 - 1"
                                                   : "an offset is not a whole number from 0 to 2^63 - 1");
    if (m_state == State::Shape) {
        if (m_entry.shape.size() == kMaxRank)
            return refuseEntry(fmt::format("more than {} dimensions", kMaxRank));
        m_entry.shape.push_back(static_cast<std::int64_t>(value));
    } else {
        if (m_offsets.size() == 2)
            return refuseEntry("data_offsets has more than two numbers");
        m_offsets.push_back(value);
    }
    return true;
}

bool HeaderHandler::string(string_t& value) {
    if (m_state == State::Metadata) {
        m_metadataBytes += m_key.size() + value.size();
        if (m_metadataBytes > kMaxMetadataBytes || header.metadata.size() == kMaxMetadata)
            return refuse(fmt::format("__metadata__ has more than {} entries or {} bytes", kMaxMetadata,
                                      kMaxMetadataBytes));
        header.metadata[m_key] = std::move(value);
        return true;
    }
    if (m_state == State::Entry && m_field == Field::DType) {
        m_entry.dtypeText = value.substr(0, 100);
        return true;
    }
    return scalar("a text");
}

bool HeaderHandler::start_object(std::size_t) {
    switch (m_state) {
    case State::Start:
        m_state = State::Root;
        return true;
    case State::Root:
        if (m_nextIsMetadata) {
            m_state = State::Metadata;
            return true;
        }
        if (header.tensors.size() == kMaxTensors)
            return refuse(fmt::format("more than {} tensors", kMaxTensors));
        m_state = State::Entry;
        m_hasShape = m_hasOffsets = m_hasDType = false;
        return true;
    case State::Entry:
        if (m_field != Field::Other)
            break;
        [[fallthrough]];
    case State::Skipped:
        if (m_state == State::Entry)
            m_beforeSkip = State::Entry;
        m_state = State::Skipped;
        return ++m_skipDepth < kMaxKeyDepth || refuse("nested too deep");
    default:
        break;
    }
    return scalar("an object");
}

bool HeaderHandler::key(string_t& name) {
    if (m_state == State::Root) {
        m_nextIsMetadata = name == "__metadata__";
        if (m_nextIsMetadata && std::exchange(m_metadataSeen, true))
            return refuse(fmt::format("the name {} occurs twice", shown(name)));
        if ((m_nameBytes += name.size()) > kMaxAllNameBytes)
            return refuse(fmt::format("its names have more than {} bytes", kMaxAllNameBytes));
        m_entry = TensorEntry{};
        m_entry.name = name;
        m_offsets.clear();
        return true;
    }
    if (m_state == State::Metadata) {
        if (header.metadata.contains(name))
            return refuse(fmt::format("the key {} of __metadata__ occurs twice", shown(name)));
        m_key = name;
        return true;
    }
    if (m_state != State::Entry)
        return true;
    bool* seen = name == "dtype"          ? &m_hasDType
                 : name == "shape"        ? &m_hasShape
                 : name == "data_offsets" ? &m_hasOffsets
                                          : nullptr;
    if (seen && std::exchange(*seen, true))
        return refuseEntry(fmt::format("\"{}\" occurs twice", name));
    m_field = !seen                 ? Field::Other
              : seen == &m_hasDType ? Field::DType
              : seen == &m_hasShape ? Field::Shape
                                    : Field::Offsets;
    return true;
}

bool HeaderHandler::end_object() {
    switch (m_state) {
    case State::Skipped:
        if (--m_skipDepth == 0)
            m_state = m_beforeSkip;
        return true;
    case State::Entry:
        m_state = State::Root;
        return finishEntry();
    case State::Metadata:
        m_state = State::Root;
        return true;
    default:
        m_state = State::Done;
        return true;
    }
}

bool HeaderHandler::start_array(std::size_t) {
    if (m_state == State::Entry && (m_field == Field::Shape || m_field == Field::Offsets)) {
        m_state = m_field == Field::Shape ? State::Shape : State::Offsets;
        return true;
    }
    if (m_state == State::Skipped || (m_state == State::Entry && m_field == Field::Other)) {
        m_state = State::Skipped;
        m_beforeSkip = State::Entry;
        return ++m_skipDepth < kMaxKeyDepth || refuse("nested too deep");
    }
    return scalar("an array");
}

bool HeaderHandler::end_array() {
    if (m_state == State::Skipped) {
        if (--m_skipDepth == 0)
            m_state = m_beforeSkip;
    } else {
        m_state = State::Entry;
    }
    return true;
}

bool HeaderHandler::finishEntry() {
    if (!m_hasDType || !m_hasShape || !m_hasOffsets || m_offsets.size() != 2)
        return refuseEntry("it needs dtype, shape and data_offsets with two numbers");
    const auto* row = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                   [&](const DTypeRow& known) { return m_entry.dtypeText == known.text; });
    if (row == std::end(kDTypes))
        return refuseEntry(fmt::format("unknown dtype {}", shown(m_entry.dtypeText)));
    std::uint64_t bits = row->bits;
    for (const std::int64_t size : m_entry.shape)
        if (__builtin_mul_overflow(bits, static_cast<std::uint64_t>(size), &bits))
            return refuseEntry("the product of its shape overflows 64 bits");
    if (bits % 8 != 0)
        return refuseEntry("its data does not end on a whole byte");
    if (m_offsets[1] < m_offsets[0])
        return refuseEntry(fmt::format("its data ends at {} before it begins at {}", m_offsets[1], m_offsets[0]));
    if (m_offsets[1] - m_offsets[0] != bits / 8)
        return refuseEntry(fmt::format("its shape and dtype need {} bytes, its data_offsets give {}", bits / 8,
                                       m_offsets[1] - m_offsets[0]));
    m_entry.dtype = row->dtype;
    m_entry.begin = m_offsets[0];
    m_entry.end = m_offsets[1];
    header.tensors.push_back(std::move(m_entry));
    return true;
}

/// The parser keeps what it reads until the next text begins, and a text twice over. A header of names and numbers has
/// texts everywhere, none of them long, and no more than its tensors need.
std::string oddTexts(std::string_view text) {
    bool quoted = false;
    std::size_t marks = 0;
    for (std::size_t i = 0, last = 0; i < text.size(); ++i) {
        if (quoted && text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            quoted = !quoted;
            last = i;
            if (++marks > 2 * kMaxTexts)
                return fmt::format("its header has more than {} texts", kMaxTexts);
        }
        if (i - last > kMaxTokenBytes)
            return fmt::format("its header has more than {} bytes without a quotation mark", kMaxTokenBytes);
    }
    return {};
}

/// Two tensors of one name. (The library keeps the last without a word.)
const std::string* nameThatOccursTwice(const std::vector<TensorEntry>& tensors) {
    std::vector<const std::string*> names;
    names.reserve(tensors.size());
    for (const TensorEntry& tensor : tensors)
        names.push_back(&tensor.name);
    std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
    const auto twice =
        std::adjacent_find(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a == *b; });
    return twice == names.end() ? nullptr : *twice;
}

/// The data part must be covered once: no hole, no overlap, nothing before, nothing after.
std::string coverageProblem(const std::vector<TensorEntry>& tensors, std::uint64_t dataBytes) {
    std::uint64_t next = 0;
    for (const TensorEntry& tensor : tensors) {
        if (tensor.begin < next)
            return fmt::format("tensor {} overlaps the one before it", shown(tensor.name));
        if (tensor.begin > next)
            return fmt::format("{} bytes before tensor {} belong to no tensor", tensor.begin - next,
                               shown(tensor.name));
        next = tensor.end;
    }
    if (next > dataBytes)
        return fmt::format("the file is truncated: its header promises {} bytes of data, {} are there", next,
                           dataBytes);
    if (next < dataBytes)
        return fmt::format("{} bytes after the last tensor belong to no tensor", dataBytes - next);
    return {};
}

} // namespace

std::size_t dtypeSize(DType dtype) {
    for (const DTypeRow& row : kDTypes)
        if (row.dtype == dtype && dtype != DType::Other)
            return row.bits / 8;
    return 0;
}

const char* dtypeName(DType dtype) {
    for (const DTypeRow& row : kDTypes)
        if (row.dtype == dtype && dtype != DType::Other)
            return row.text;
    return "other";
}

std::int64_t TensorEntry::elements() const {
    std::int64_t product = 1;
    for (const std::int64_t size : shape)
        product *= size;
    return product;
}

const TensorEntry* SafetensorsHeader::find(std::string_view name) const {
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [&](const TensorEntry& t) { return t.name == name; });
    return found == tensors.end() ? nullptr : &*found;
}

Result<SafetensorsHeader> parseSafetensorsHeader(std::span<const std::byte> head, std::uint64_t fileSize,
                                                 const std::string& where) {
    const auto malformed = [&](std::string why) {
        return fail(ErrorKind::Malformed, "Not a sound safetensors file: " + why + ".", where);
    };
    if (fileSize < 8 || head.size() < 8)
        return malformed(fmt::format("it has {} bytes, the smallest has 8", fileSize));
    std::uint64_t length = 0;
    std::memcpy(&length, head.data(), 8);
    if (head.size() > 8 && std::ranges::all_of(head, [](std::byte b) { return b == std::byte{0}; }))
        return malformed(fmt::format("its first {} bytes are all zeros (a download that was preallocated and not finished?); "
                                     "download it again",
                                     head.size()));
    if (length > kMaxHeaderBytes)
        return malformed(fmt::format("its header claims {} bytes, the limit is {}", length, kMaxHeaderBytes));
    if (length > fileSize - 8 || length > head.size() - 8)
        return malformed(fmt::format("its header claims {} bytes, the file has only {}: truncated or another format",
                                     length, fileSize));
    const std::string_view text(reinterpret_cast<const char*>(head.data()) + 8, length);
    if (const std::string odd = oddTexts(text); !odd.empty())
        return malformed(odd);
    HeaderHandler handler;
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &handler))
        return malformed(handler.problem.empty() ? "its header is not valid JSON" : handler.problem);
    SafetensorsHeader header = std::move(handler.header);
    if (const std::string* name = nameThatOccursTwice(header.tensors))
        return malformed(fmt::format("the name {} occurs twice", shown(*name)));
    header.dataStart = 8 + length;
    std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
        return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    const std::string problem = coverageProblem(header.tensors, fileSize - header.dataStart);
    if (!problem.empty())
        return malformed(problem);
    return header;
}

Result<SafetensorsHeader> readSafetensorsHeader(const std::filesystem::path& file) {
    // Headers of small models fit the first read.
    CREST_TRY(first, readFileHead(file, 16384));
    if (isGitLfsPointer(first.bytes))
        return fail(ErrorKind::Malformed,
                    "This is a git-lfs pointer, not the weights; run `git lfs pull` in its repository.", file.string());
    std::uint64_t length = 0;
    if (first.bytes.size() >= 8)
        std::memcpy(&length, first.bytes.data(), 8);
    if (length <= kMaxHeaderBytes && length + 8 > first.bytes.size() && length + 8 <= first.fileSize) {
        CREST_TRY(whole, readFileHead(file, length + 8));
        first = std::move(whole);
    }
    return parseSafetensorsHeader(std::as_bytes(std::span(first.bytes.data(), first.bytes.size())), first.fileSize,
                                  file.string());
}

} // namespace crest::io
