// SPDX-License-Identifier: Apache-2.0
// Where chat templates lie, with the precedence of transformers 5.23.
#include <algorithm>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "core/data/chat_template.h"
#include "core/io/files.h"
#include "core/text/tokenizer_config.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostFileBytes = 1'000'000; ///< of a file
constexpr std::size_t kMostTemplates = 100;
constexpr const char* kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};

Result<std::string> templateText(const fs::path& file) {
    CREST_TRY(text, io::readTextFile(file, kMostFileBytes));
    if (!text::isValidUtf8(text))
        return fail(ErrorKind::Malformed, "a chat template that is not UTF-8", file.string());
    return text;
}

Result<void> addJinja(const fs::path& folder, ChatFiles& files) {
    if (io::isThere(folder / "chat_template.jinja")) {
        CREST_TRY(text, templateText(folder / "chat_template.jinja"));
        files.templates["default"] = std::move(text);
    }
    std::error_code error;
    std::vector<fs::path> more;
    for (fs::directory_iterator at(folder / "additional_chat_templates", error), end; !error && at != end;
         at.increment(error))
        if (at->path().extension() == ".jinja")
            more.push_back(at->path());
    if (more.size() > kMostTemplates)
        return fail(ErrorKind::OutOfRange, fmt::format("more than {} chat templates", kMostTemplates), folder.string());
    std::ranges::sort(more);
    for (const fs::path& file : more) {
        CREST_TRY(text, templateText(file));
        files.templates[file.stem().string()] = std::move(text);
    }
    return {};
}

/// "chat_template": a text, or a list of {"name", "template"}.
Result<void> addListed(const Json& config, const std::string& where, ChatFiles& files) {
    const auto found = config.find("chat_template");
    if (found == config.end() || found->is_null())
        return {};
    if (found->is_string()) {
        files.templates["default"] = found->get<std::string>();
        return {};
    }
    const auto wrong = [&] {
        return fail(ErrorKind::Malformed, "\"chat_template\" must be a text, or a list of names with templates",
                    where);
    };
    if (!found->is_array() || found->size() > kMostTemplates)
        return wrong();
    for (const Json& one : *found) {
        if (!one.is_object() || !one.contains("name") || !one["name"].is_string() || !one.contains("template") ||
            !one["template"].is_string())
            return wrong();
        files.templates[one["name"].get<std::string>()] = one["template"].get<std::string>();
    }
    return {};
}

/// What a class of transformers calls its tokens where tokenizer_config.json says nothing of them.
struct ClassTokens {
    std::string_view type, bos, eos, unk, pad;
};
constexpr ClassTokens kClasses[] = {
    {"GPT2Tokenizer", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>", ""},
    {"GPTNeoXTokenizer", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>", "<|padding|>"},
    {"Qwen2Tokenizer", "", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"},
    {"LlamaTokenizer", "<s>", "</s>", "<unk>", ""},
    {"GemmaTokenizer", "<bos>", "<eos>", "<unk>", "<pad>"}};

std::string usualToken(const Json& config, const std::string& modelType, std::string_view key) {
    for (const char* without : {"olmo2", "olmo3", "mistral"}) // transformers 5.23 reads their tokenizers without a class
        if (modelType == without)
            return {};
    const auto named = config.find("tokenizer_class");
    std::string type = named != config.end() && named->is_string() ? named->get<std::string>() : std::string();
    if (type.ends_with("Fast"))
        type.erase(type.size() - 4);
    const auto found = std::ranges::find(kClasses, type, &ClassTokens::type);
    if (found == std::end(kClasses))
        return {};
    return std::string(key == "bos_token"   ? found->bos
                       : key == "eos_token" ? found->eos
                       : key == "unk_token" ? found->unk
                       : key == "pad_token" ? found->pad
                                            : "");
}

std::string contentOf(const Json& token) {
    return text::detail::addedToken(token)["content"].get<std::string>();
}

/// Further ones that a model has names for: what is called so in the configuration ("image_token"), and what it lists.
void addNamed(const Json& tokens, std::string_view ending, ChatFiles& files) {
    for (const auto& [key, token] : tokens.items())
        if (key.ends_with(ending) && files.specials.size() < kMostTemplates)
            if (std::string content = contentOf(token); !content.empty())
                files.specials.emplace(key, std::move(content));
}

/// As the harness has them: without a padding token it takes the unknown one, else the end's.
void addSpecials(const Json& config, const std::string& modelType, ChatFiles& files) {
    for (const char* key : kNames) {
        const auto found = config.find(key);
        if (std::string content = found == config.end() ? usualToken(config, modelType, key) : contentOf(*found); !content.empty())
            files.specials[key] = std::move(content);
    }
    addNamed(config, "_token", files);
    if (const auto more = config.find("extra_special_tokens"); more != config.end() && more->is_object())
        addNamed(*more, "", files);
    for (const char* other : {"unk_token", "eos_token"})
        if (!files.specials.contains("pad_token") && files.specials.contains(other))
            files.specials["pad_token"] = files.specials[other];
}

/// Of the model beside the tokenizer; "" where that is not to be found out.
std::string modelTypeOf(const fs::path& folder) {
    const auto text = io::readTextFile(folder / "config.json", kMostFileBytes);
    const auto config = text ? parseJson(*text, "config.json") : Result<Json>(fail(text.error()));
    return config ? requireString(*config, "model_type", "").value_or("") : "";
}

} // namespace

Result<ChatFiles> chatFilesOf(const Json& config, const std::string& where, const std::string& modelType) {
    ChatFiles files;
    if (!config.is_object())
        return files;
    addSpecials(config, modelType, files);
    CREST_CHECK(addListed(config, where, files));
    return files;
}

Result<ChatFiles> readChatFiles(const fs::path& folder) {
    ChatFiles files;
    CREST_TRY(config, text::detail::readTokenizerConfig(folder));
    CREST_CHECK(addJinja(folder, files));
    const std::string modelType = modelTypeOf(folder);
    if (!files.templates.empty()) {
        addSpecials(config, modelType, files);
        return files;
    }
    CREST_TRY(listed, chatFilesOf(config, (folder / "tokenizer_config.json").string(), modelType));
    const fs::path processor = folder / "chat_template.json"; // transformers does not look for it here
    if (listed.templates.empty() && io::isThere(processor)) {
        CREST_TRY(text, io::readTextFile(processor, kMostFileBytes));
        CREST_TRY(json, parseJson(text, processor.string()));
        if (json.is_object())
            CREST_CHECK(addListed(json, processor.string(), listed));
    }
    return listed;
}

} // namespace crest::data
