// SPDX-License-Identifier: Apache-2.0
#include "core/study/study_folder.h"

#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "core/study/study_json.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr const char* kStudyFile = "study.json";

Result<void> makeFolder(const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
        return fail(io::systemError(error.value(), "create", folder));
    return {};
}

Result<fs::path> absolutePath(const fs::path& folder) {
    std::error_code error;
    fs::path path = fs::absolute(folder, error).lexically_normal();
    if (error)
        return fail(io::systemError(error.value(), "open", folder));
    return path.has_filename() ? path : path.parent_path();
}

Result<void> writeStudy(const fs::path& folder, const Study& study) {
    // Indented: people look into this file.
    return io::writeFileAtomic(folder / kStudyFile,
                               toJson(study).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

} // namespace

Result<StudyFolder> StudyFolder::create(const fs::path& folder, const Study& study) {
    CREST_TRY(path, absolutePath(folder));
    std::error_code ignored;
    if (fs::exists(path / kStudyFile, ignored))
        return fail(ErrorKind::Mismatch, "There is a study in this folder already; open it, or choose another folder.",
                    path.string());
    CREST_CHECK(makeFolder(path));
    for (const char* part : {"runs", "runners", "journal", "figures"})
        CREST_CHECK(makeFolder(path / part));
    CREST_CHECK(writeStudy(path, study));
    return StudyFolder(std::move(path), study);
}

Result<StudyFolder> StudyFolder::draft(const fs::path& folder, const Study& study) {
    CREST_TRY(path, absolutePath(folder));
    StudyFolder made(std::move(path), study);
    made.m_writable = false;
    return made;
}

Result<StudyFolder> StudyFolder::open(const fs::path& folder) {
    CREST_TRY(path, absolutePath(folder));
    const fs::path file = path / kStudyFile;
    std::error_code ignored;
    if (!fs::exists(file, ignored))
        return fail(ErrorKind::NotFound, "This folder holds no study (study.json is missing).", path.string());
    CREST_TRY(text, io::readTextFile(file));
    CREST_TRY(json, parseJson(text, file.string()));
    CREST_TRY(study, studyFromJson(json, file.string()));
    StudyFolder opened(std::move(path), std::move(study));
    opened.m_writable = ::faccessat(AT_FDCWD, opened.m_path.c_str(), W_OK, AT_EACCESS) == 0;
    // An older copy, or one that came through a tool that drops empty folders, may lack some.
    if (opened.m_writable)
        for (const char* part : {"runs", "runners", "journal", "figures"})
            fs::create_directories(opened.m_path / part, ignored);
    return opened;
}

Result<void> StudyFolder::save(const Study& study) {
    if (!m_writable)
        return fail(ErrorKind::Io,
                    "This study can only be looked at: its folder cannot be written, or another window holds it.",
                    m_path.string());
    CREST_CHECK(writeStudy(m_path, study));
    m_study = study;
    return {};
}

fs::path StudyFolder::resolve(const std::string& text) const {
    const fs::path path(text);
    return path.is_absolute() ? path : m_path / path;
}

Result<WindowLock> WindowLock::tryLock(const StudyFolder& folder, std::chrono::milliseconds longest) {
    const fs::path file = folder.path() / "window.lock";
    const auto isHeld = [&] { return io::FileLock::isHeld(file).value_or(false); };
    auto lock = io::FileLock::tryLock(file);
    if (!lock && isHeld())
        lock = io::FileLock::waitFor(file, longest);
    if (!lock && !isHeld()) // no permission, no locks on this file system
        return fail(lock.error());
    if (!lock)
        return fail(lock.error().kind, "Another window has this study open; here it can only be looked at.",
                    folder.path().string());
    return WindowLock(std::move(*lock));
}

} // namespace crest::study
