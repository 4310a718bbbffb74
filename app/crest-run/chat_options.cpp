// SPDX-License-Identifier: Apache-2.0
#include "app/crest-run/chat_options.h"

#include <vector>

namespace crest {

void addChatOptions(CLI::App& command, ChatOptions& options) {
    command
        .add_option_function<std::vector<std::string>>(
            "--apply-chat-template,--apply_chat_template",
            [&options](const std::vector<std::string>& name) { options.chatTemplate = name.empty() ? "" : name.front(); },
            "Ask tasks of suites by the chat template of the tokenizer, or by the one of this NAME where it has several")
        ->expected(0, 1)
        ->type_name("[NAME]");
    command
        .add_option_function<bool>(
            "--fewshot-as-multiturn,--fewshot_as_multiturn", [&options](bool turns) { options.multiturn = turns; },
            "With a chat template: shots are turns of the chat (the default), or false: one message of the user")
        ->type_name("BOOL");
    command.add_option("--system-instruction,--system_instruction", options.system,
                       "Instruction in front of tasks of suites; with a chat template the system's message");
}

Result<data::TaskDefinition> askedWith(const data::TaskDefinition& task, const ChatOptions& options, std::int64_t shots,
                                       std::string& suffix) {
    suffix.clear();
    if (options.multiturn.value_or(false) && !options.chatTemplate)
        return fail(ErrorKind::OutOfRange, "--fewshot-as-multiturn true needs --apply-chat-template.");
    data::ChatSettings chat;
    chat.on = options.chatTemplate.has_value();
    chat.name = options.chatTemplate.value_or("");
    chat.multiturn = options.multiturn.value_or(true);
    CREST_TRY(asked, data::askedAs(task, chat, options.system, shots));
    if (const std::string words = data::chatWords(asked.definition); !words.empty() && asked.definition != task.definition)
        suffix = " (" + words + ")";
    return asked;
}

} // namespace crest
