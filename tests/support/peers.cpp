// SPDX-License-Identifier: Apache-2.0
#include "tests/support/peers.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include <QCryptographicHash>
#include <QFile>
#include <QProcess>
#include <QTemporaryDir>

namespace crest::test {
namespace {

namespace fs = std::filesystem;

/// Stands for the question's folder in what is kept: a test's folder has another name in each run.
const QByteArray kPlace = "{folder of the question}";
constexpr std::chrono::hours kKeptUnused{2 * 24};

fs::path pathOf(const QString& name) {
    return fs::path(name.toStdString());
}
fs::path inSource(const QString& name) {
    return fs::path(CREST_SOURCE_DIR) / pathOf(name);
}

QByteArray readAll(const fs::path& path) {
    QFile file(QString::fromStdString(path.string()));
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}
bool writeAll(const fs::path& path, const QByteArray& bytes) {
    QFile file(QString::fromStdString(path.string()));
    return file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size() && file.flush();
}

bool isText(const fs::path& path) {
    return !readAll(path).contains('\0');
}

/// What stands at a path: a link's target, or the hash of a file's bytes, with `folder` as kPlace.
QByteArray contentOf(const fs::path& path, const QByteArray& folder) {
    if (fs::is_symlink(path))
        return "link " + QByteArray::fromStdString(fs::read_symlink(path).string());
    QByteArray bytes = readAll(path);
    if (!folder.isEmpty())
        bytes.replace(folder, kPlace);
    return QCryptographicHash::hash(bytes, QCryptographicHash::Sha256).toHex();
}

/// Every file and link below a folder (or the one file), by its path from there; folders that are empty as well.
std::map<std::string, QByteArray> contentsOf(const fs::path& root, const QByteArray& folder) {
    std::map<std::string, QByteArray> found;
    if (!fs::is_directory(root)) {
        if (fs::exists(root))
            found[""] = contentOf(root, folder);
        return found;
    }
    for (const auto& entry : fs::recursive_directory_iterator(root))
        found[entry.path().lexically_relative(root).string()] =
            entry.is_directory() && !entry.is_symlink() ? "folder" : contentOf(entry.path(), folder);
    return found;
}

/// The names and versions of all packages that the Python of a virtual environment has; nothing where it is none.
QByteArray packagesOf(const QString& python) {
    std::vector<std::string> names;
    const fs::path library = pathOf(python).parent_path().parent_path() / "lib";
    if (!fs::is_directory(library))
        return {};
    for (const auto& version : fs::directory_iterator(library))
        if (const fs::path packages = version.path() / "site-packages"; fs::is_directory(packages))
            for (const auto& entry : fs::directory_iterator(packages))
                if (entry.path().extension() == ".dist-info")
                    names.push_back(version.path().filename().string() + ' ' + entry.path().filename().string());
    std::sort(names.begin(), names.end());
    QByteArray all = readAll(library.parent_path() / "pyvenv.cfg");
    for (const std::string& name : names)
        all += QByteArray::fromStdString(name) + '\n';
    return all;
}

QByteArray keyOf(const PeerQuestion& question, const QByteArray& packages) {
    QCryptographicHash hash(QCryptographicHash::Sha256);
    const auto add = [&](const QByteArray& part) {
        hash.addData(QByteArray::number(part.size()) + ' ');
        hash.addData(part);
    };
    const auto addAll = [&](const fs::path& root, const QByteArray& folder, const char* extension) {
        for (const auto& [name, content] : contentsOf(root, folder))
            if (extension == nullptr || fs::path(name).extension() == extension) {
                add(QByteArray::fromStdString(name));
                add(content);
            }
    };
    add(question.script.toUtf8());
    add(question.program.toUtf8());
    add(packages);
    if (!question.script.isEmpty()) // they import each other
        for (const fs::path& scripts : {inSource(question.script).parent_path(), inSource(QStringLiteral("tests/oracle"))})
            addAll(scripts, {}, ".py");
    for (const QString& other : question.alsoReads)
        addAll(inSource(other), {}, nullptr);
    const QByteArray folder = question.folder.toUtf8();
    for (const QString& argument : question.arguments)
        add(folder.isEmpty() ? argument.toUtf8() : argument.toUtf8().replace(folder, kPlace));
    if (!folder.isEmpty())
        addAll(pathOf(question.folder), folder, nullptr);
    return hash.result().toHex();
}

/// Copies one file, link or empty folder; in texts `from` becomes `to`. False where that is not possible.
bool copyOne(const fs::path& source, const fs::path& target, const QByteArray& from, const QByteArray& to) {
    fs::create_directories(target.parent_path());
    if (fs::is_symlink(source)) {
        fs::remove(target);
        fs::copy_symlink(source, target);
        return true;
    }
    if (fs::is_directory(source))
        return fs::create_directories(target) || fs::is_directory(target);
    QByteArray bytes = readAll(source);
    if (!bytes.contains(from))
        return fs::copy_file(source, target, fs::copy_options::overwrite_existing);
    return isText(source) && writeAll(target, bytes.replace(from, to));
}

bool copyAll(const fs::path& source, const fs::path& target, const QByteArray& from, const QByteArray& to) {
    for (const auto& [name, content] : contentsOf(source, {}))
        if (!copyOne(source / name, target / name, from, to))
            return false;
    return true;
}

void removeUnused(const fs::path& answers) {
    std::error_code gone; // renamed or removed by another test meanwhile
    for (const auto& entry : fs::directory_iterator(answers, gone))
        if (const auto used = entry.last_write_time(gone); !gone && used < fs::file_time_type::clock::now() - kKeptUnused)
            fs::remove_all(entry.path(), gone);
}

bool isSubset(const std::map<std::string, QByteArray>& names, const std::map<std::string, QByteArray>& all) {
    return std::all_of(names.begin(), names.end(), [&](const auto& one) { return all.count(one.first) > 0; });
}

/// What the folder has more, or other, than before. Kept only as a whole: a name that stands is an answer that is complete.
void keep(const fs::path& kept, const PeerQuestion& question, const std::map<std::string, QByteArray>& before, const std::string& printed) {
    const QByteArray folder = question.folder.toUtf8();
    QTemporaryDir made(QString::fromStdString((kept.parent_path() / "making-XXXXXX").string()));
    const fs::path place = pathOf(made.path());
    QByteArray output = QByteArray::fromStdString(printed);
    if (!folder.isEmpty()) {
        output.replace(folder, kPlace);
        const auto after = contentsOf(pathOf(question.folder), folder);
        if (!isSubset(before, after))
            return; // a script that removes what it was given
        for (const auto& [name, content] : after)
            if (const auto old = before.find(name); old == before.end() || old->second != content)
                if (!copyOne(pathOf(question.folder) / name, place / "files" / name, folder, kPlace))
                    return; // the folder's name within bytes of another kind: asked again each time
    }
    if (!writeAll(place / "printed", output))
        return;
    if (!fs::exists(kept / "printed"))
        fs::remove_all(kept); // half of one
    std::error_code taken; // by the same test in another process
    fs::rename(place, kept, taken);
}

std::optional<std::string> recall(const fs::path& kept, const PeerQuestion& question) {
    if (!fs::exists(kept / "printed"))
        return std::nullopt;
    const QByteArray folder = question.folder.toUtf8();
    if (fs::exists(kept / "files") && !copyAll(kept / "files", pathOf(question.folder), kPlace, folder))
        return std::nullopt;
    std::error_code removed;
    fs::last_write_time(kept, fs::file_time_type::clock::now(), removed);
    return readAll(kept / "printed").replace(kPlace, folder).toStdString();
}

} // namespace

Result<std::string> askPeer(const PeerQuestion& question) {
    const QString python = qEnvironmentVariable("CREST_PYTHON");
    if (python.isEmpty())
        return fail(ErrorKind::NotFound, "CREST_PYTHON names no Python with tests/oracle/requirements.txt; packaging/setup makes one");
    QProcess process;
    const QStringList what = question.script.isEmpty() ? QStringList{QStringLiteral("-c"), question.program}
                                                       : QStringList{QString::fromStdString(inSource(question.script).string())};
    process.start(python, QStringList{QStringLiteral("-B")} + what + question.arguments);
    if (!process.waitForFinished(600'000) || process.exitStatus() != QProcess::NormalExit || process.exitCode() != 0)
        return fail(ErrorKind::Io, (question.script.isEmpty() ? "Python" : question.script.toStdString()) + " failed: " +
                                       process.readAllStandardError().right(4000).toStdString());
    return process.readAllStandardOutput().toStdString();
}

Result<std::string> askPeerOnce(const PeerQuestion& question) {
    const QString answers = qEnvironmentVariable("CREST_PEER_ANSWERS");
    const QByteArray packages = packagesOf(qEnvironmentVariable("CREST_PYTHON"));
    if (answers.isEmpty() || packages.isEmpty() || qEnvironmentVariableIsSet("CREST_FULL"))
        return askPeer(question);
    const fs::path kept = pathOf(answers) / keyOf(question, packages).toStdString();
    if (auto printed = recall(kept, question))
        return *printed;
    fs::create_directories(pathOf(answers));
    removeUnused(pathOf(answers));
    const auto before = question.folder.isEmpty() ? std::map<std::string, QByteArray>()
                                                  : contentsOf(pathOf(question.folder), question.folder.toUtf8());
    auto printed = askPeer(question);
    if (printed)
        keep(kept, question, before, *printed);
    return printed;
}

} // namespace crest::test
