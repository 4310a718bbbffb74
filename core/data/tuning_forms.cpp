// SPDX-License-Identifier: Apache-2.0
// Folders of forms and styles, and which form a row has.
#include <algorithm>

#include <fmt/format.h>

#include "core/data/tuning_template.h"

namespace crest::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFormFiles = 1000;
constexpr std::size_t kMostFieldsShown = 20;

Result<std::vector<fs::path>> jsonFiles(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code problem;
    for (fs::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem)) {
        if (at->path().extension() == ".json")
            files.push_back(at->path());
        if (files.size() > kMostFormFiles)
            return fail(ErrorKind::OutOfRange, fmt::format("more than {} files", kMostFormFiles), folder.string());
    }
    std::ranges::sort(files);
    return files;
}

std::string namesOf(const std::vector<const TuningTemplate*>& forms) {
    std::vector<std::string> names;
    for (const TuningTemplate* form : forms)
        names.push_back(form->name());
    return fmt::format("{}", fmt::join(names, ", "));
}

std::string knownForms(const TuningTemplates& templates) {
    std::vector<std::string> known;
    for (const TuningTemplate& form : templates.forms)
        known.push_back(fmt::format("{} ({})", form.name(), fmt::join(form.needs(), ", ")));
    return fmt::format("{}", fmt::join(known, "; "));
}

/// Of a field that holds fields: forms look at the row's own only.
std::string namesInside(const Json& object) {
    std::vector<std::string> names;
    for (const auto& [name, ignored] : object.items())
        if (names.size() < 5)
            names.push_back(name.substr(0, 60));
    return names.empty() ? "nothing" : fmt::format("{}{}", fmt::join(names, ", "), object.size() > names.size() ? ", ..." : "");
}

/// What stands behind the name of a field that is empty or holds fields.
std::string insideOf(const Json& value) {
    if (value.is_null())
        return " (empty)";
    if (value.is_object())
        return fmt::format(" ({} inside)", namesInside(value));
    if (value.is_array() && !value.empty() && value.front().is_object())
        return fmt::format(" (a list with {} inside)", namesInside(value.front()));
    return "";
}

template<class T> const T* named(const std::vector<T>& all, const std::string& name) {
    const auto found = std::ranges::find_if(all, [&](const T& one) { return one.name() == name; });
    return found != all.end() ? &*found : nullptr;
}

} // namespace

const TuningTemplate* TuningTemplates::form(const std::string& name) const {
    return named(forms, name);
}

const ChatStyle* TuningTemplates::style(const std::string& name) const {
    return named(styles, name);
}

Result<TuningTemplates> readTuningTemplates(const fs::path& folder) {
    TuningTemplates templates;
    CREST_TRY(forms, jsonFiles(folder));
    for (const fs::path& file : forms) {
        CREST_TRY(form, readTuningTemplate(file));
        if (templates.form(form.name()))
            return fail(ErrorKind::Malformed, fmt::format("two files have the name \"{}\"", form.name()),
                        file.filename().string());
        templates.forms.push_back(std::move(form));
    }
    CREST_TRY(styles, jsonFiles(folder / "chat"));
    for (const fs::path& file : styles) {
        CREST_TRY(style, readChatStyle(file));
        if (templates.style(style.name()))
            return fail(ErrorKind::Malformed, fmt::format("two files have the name \"{}\"", style.name()),
                        file.filename().string());
        templates.styles.push_back(std::move(style));
    }
    // Files are in another order: "a-b.json" is before "a.json".
    const auto byName = [](const auto& a, const auto& b) { return a.name() < b.name(); };
    std::ranges::sort(templates.forms, byName);
    std::ranges::sort(templates.styles, byName);
    if (templates.forms.empty())
        return fail(ErrorKind::NotFound, "there is no file of a form of rows (*.json)", folder.string());
    return templates;
}

std::string fieldsOf(const Json& row) {
    std::vector<std::string> names;
    for (const auto& [name, value] : row.items())
        if (row.is_object() && names.size() < kMostFieldsShown)
            names.push_back(name.substr(0, 60) + insideOf(value));
    if (names.empty())
        return "none";
    return fmt::format("{}{}", fmt::join(names, ", "), row.size() > names.size() ? ", ..." : "");
}

Result<TuningTemplate> recogniseForm(const Json& row, const TuningTemplates& templates) {
    std::vector<const TuningTemplate*> fitting, best;
    for (const TuningTemplate& form : templates.forms)
        if (form.fits(row))
            fitting.push_back(&form);
    if (fitting.empty())
        return fail(
            ErrorKind::Mismatch,
            fmt::format("no form fits these rows, which have the fields {}. There are: {}. A form of your own is "
                        "a small file: resources/tuning/README.md",
                        fieldsOf(row), knownForms(templates)));
    std::size_t most = 0;
    for (const TuningTemplate* form : fitting)
        most = std::max(most, form->needs().size());
    for (const TuningTemplate* form : fitting)
        if (form->needs().size() == most)
            best.push_back(form);
    // Forms that are variants of another wait to be named; one that is alone with its fields must be, too.
    if (best.size() > 1)
        std::erase_if(best, [](const TuningTemplate* form) { return !form->recognised(); });
    if (best.size() == 1 && best.front()->recognised())
        return *best.front();
    return fail(
        ErrorKind::Mismatch,
        fmt::format("what these rows are cannot be told for sure from their fields ({}); these forms would fit: "
                    "{}. Choose one",
                    fieldsOf(row), namesOf(fitting)));
}

} // namespace crest::data
