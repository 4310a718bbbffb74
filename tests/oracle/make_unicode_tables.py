# SPDX-License-Identifier: Apache-2.0
"""Writes core/text/unicode_tables.inc: the character classes of the reference tokenizers, asked for every code point.

    python make_unicode_tables.py OUTPUT     writes the tables
    python make_unicode_tables.py --print    prints them, for the test that compares

No packaged library has the same tables: the reference is at Unicode 16, and its word class comes from another engine than its letters.
"""
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CHUNK = 2048


def chunks():
    for start in range(0, len(CODE_POINTS), CHUNK):
        yield CODE_POINTS[start : start + CHUNK]


def matched(pre_tokenizer):
    """Code points that come out of a pre-tokenizer that keeps single matches."""
    found = []
    for chunk in chunks():
        for piece, _ in pre_tokenizer.pre_tokenize_str("".join(map(chr, chunk))):
            found.extend(map(ord, piece))
    return found


def by_regex(pattern):
    return matched(pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True))


def by_isolating(pre_tokenizer):
    """What a pre-tokenizer cuts off that isolates single characters: such a one stands alone between two letters."""
    found = []
    for chunk in chunks():
        text = "".join("a" + chr(c) + "a" for c in chunk)
        cut = {span[0] for piece, span in pre_tokenizer.pre_tokenize_str(text) if span[1] - span[0] == 1 and piece != "a"}
        found.extend(c for i, c in enumerate(chunk) if 3 * i + 1 in cut)
    return found


def by_added_token(**flags):
    """Code points that keep an added token from matching as a single word."""
    tokenizer = Tokenizer(models.BPE(vocab={"z": 0}, merges=[]))
    tokenizer.add_tokens([AddedToken("q", normalized=False, **flags)])
    ident = tokenizer.token_to_id("q")
    found = []
    for chunk in chunks():
        hits = {o[0] for i, o in zip(*(lambda e: (e.ids, e.offsets))(tokenizer.encode("".join(" " + chr(c) + "q" for c in chunk)))) if i == ident}
        found.extend(c for i, c in enumerate(chunk) if 3 * i + 2 not in hits and c != ord("q"))
    return sorted(found + [ord("q")])


def by_strip_accents():
    strip = normalizers.StripAccents()
    return [c for c in CODE_POINTS if strip.normalize_str(chr(c)) == ""]


def lower_case():
    """(code point, what Lowercase makes of it) for every one that it changes."""
    lower = normalizers.Lowercase()
    return [(c, lower.normalize_str(chr(c))) for c in CODE_POINTS if lower.normalize_str(chr(c)) != chr(c)]


def case_table(name, pairs):
    """Ranges {first, last, step, distance to the lower form}; what becomes several characters is a text of its own."""
    rows = []
    for c, low in pairs:
        if len(low) != 1:
            continue
        step = c - rows[-1][1] if rows else 0
        if rows and rows[-1][3] == ord(low) - c and step in (1, 2) and rows[-1][2] in (0, step):
            rows[-1][1], rows[-1][2] = c, step
        else:
            rows.append([c, c, 0, ord(low) - c])
    out = [f"/// Lower case: {len(pairs)} code points that Lowercase changes, by a distance; then those that become several.",
           f"inline constexpr CaseRange {name}[] = {{"]
    line = "   "
    for first, last, step, distance in rows:
        item = f" {{0x{first:X}, 0x{last:X}, {step or 1}, {distance}}},"
        if len(line) + len(item) > 118:
            out.append(line)
            line = "   "
        line += item
    out += [line, "};", f"inline constexpr LongCase {name}Long[] = {{"]
    out += [f'    {{0x{c:X}, "' + "".join(f"\\x{b:02X}" for b in low.encode()) + '"},' for c, low in pairs if len(low) != 1]
    return "\n".join(out + ["};"]) + "\n"


def ranges(code_points):
    out = []
    for c in sorted(set(code_points)):
        if out and (c == out[-1][1] + 1 or (c == 0xE000 and out[-1][1] == 0xD7FF)):
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(name, meaning, code_points):
    rows = ranges(code_points)
    lines = [f"/// {meaning}: {len(set(code_points))} code points.", f"inline constexpr CodePointRange {name}[] = {{"]
    line = "   "
    for low, high in rows:
        item = f" {{0x{low:X}, 0x{high:X}}},"
        if len(line) + len(item) > 118:
            lines.append(line)
            line = "   "
        line += item
    return "\n".join(lines + [line, "};"]) + "\n"


def tables():
    head = "// SPDX-License-Identifier: Apache-2.0\n// Written by tests/oracle/make_unicode_tables.py from tokenizers 0.23 (Unicode 16). Ranges are inclusive.\n\n"
    return head + "\n".join(
        [
            table("kLetters", r"\p{L}", by_regex(r"\p{L}")),
            table("kNumbers", r"\p{N}", by_regex(r"\p{N}")),
            table("kWhiteSpace", r"\s, White_Space", by_regex(r"\s")),
            table("kDigits", "the pre-tokenizer Digits", by_isolating(pre_tokenizers.Digits(individual_digits=True))),
            table("kWordCharacters", "the neighbours that an added token with single_word does not want", by_added_token(single_word=True)),
            table("kPunctuationMarks", "the pre-tokenizer Punctuation", by_isolating(pre_tokenizers.Punctuation())),
            table("kCombiningMarks", "what the normalizer StripAccents drops", by_strip_accents()),
            case_table("kLowerCase", lower_case()),
        ]
    )


if __name__ == "__main__":
    text = tables()
    if sys.argv[1] == "--print":
        sys.stdout.write(text)
    else:
        with open(sys.argv[1], "w", encoding="utf-8") as file:
            file.write(text)
