# SPDX-License-Identifier: Apache-2.0
"""What lm-evaluation-harness 0.4.13 gets from transformers for chat templates: the live reference for tests/core/data/tst_chat_template.cpp.

  chat_template_reference.py FILE

FILE: {"date", "specials", "classes": [[tokenizer_config.json, model type, special tokens], ..], "cases": [{"name", "template", "real", "conversations": [[{"role", "content"}, ..], ..], "texts": [text or null where it raises, ..]}]}
"real" ones are templates of models (TRL's files and the short ones), the others small ones for one rule each.
"""
import datetime
import json
import logging
import os
import pathlib
import sys
import tempfile
import types

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import trl
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import chat_template_utils
from lm_eval.models.huggingface import HFLM, configure_pad_token

from chat_templates import SHORT

DAY = datetime.datetime(2024, 2, 9, 13, 5)

RULES = [
    # white space
    "a\n  {% if true %}  \n  b\n  {% endif %}\nc\n", "{%- if true -%}\n\n x \n{%- endif -%}\n y", "a {%+ if true +%}\n b {%+ endif %}", "  {{ 1 }}  \n  {{ 2 }}\n",
    "a\n  {# note #}\nb\n\n  {#- note -#}\n\n c {# x +#}\nd", "{% if true %}\n\n  x{% endif %}\n\n", "\n{% for i in [1,2] %}\n{{ i }}\n  {%- endfor %}\n", "x {%- set a = 1 %}\ny",
    "\t{% if true %}x\n\t\u2003{% endif %}y", "{{ 'a\\n' }}\n", "a\r\n{% if true %}\r\nb{% endif %}\rc", "{% if true -%}\n   {% if true %}\n z{% endif %}{% endif %}",
    # raw
    "{% raw %}{{ x }}{% if %}{# no #}{% endraw %}b", "a\n  {% raw %}\n  {{ b }}\n  {% endraw %}\nc\n", "a {%- raw -%}\n {{ b }} \n{%- endraw -%}\n c", "a\n  {%+ raw %} x\n  {%+ endraw +%}\nd", "{% raw %}{% raw %}{% endraw %}x", "{% raw %}{% raw %}{% endraw %}x{% endraw %}",
    "{% raw %}never", "{% raw +%}x{% endraw %}", "{% raw x %}x{% endraw %}", "  {% raw %}  {% endraw %}  \n  {% raw -%}  x  {% endraw -%}  y", "{%raw%}{%{%endraw%}\n\nz", "{% raw %}\n\n{% if true %}x{% endif %}\n {% endraw %}\n", "{{ '{% raw %}' }}{# {% raw %} #}a", "{% endraw %}",
    "{% if true %}\n  {% raw %}{{{% endraw %}\n{% endif %}", "{% raw %}{% endraw x %}{% end raw %}{%\n endraw\t%}y", "x\n{% raw -%}\n  {% endraw %}\n  y", "{%-raw%} a{%-  endraw-%} b",
    # with, filter, call where it is not reached
    "{% with a = 1, b = 'x' %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% set a = 3 %}{{ a }}{% set c = 4 %}{% endwith %}{{ a }}{{ c is defined }}", "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a is defined }}",
    "{% for m in messages %}{% with r = m.role, i = loop.index %}{{ i }}{{ r }}{{ loop.index }}{% if loop.index == 2 %}{% break %}{% endif %}{% endwith %};{% endfor %}", "{% set ns = namespace(x=0) %}{% with n = ns %}{% set n.x = 5 %}{% endwith %}{{ ns.x }}", "{% with a = nothing %}{{ a is defined }}{{ a }}{% endwith %}",
    "{% with a %}{% endwith %}", "{% with a = 1 %}", "{% with a = 1 b = 2 %}x{% endwith %}", "{% with a = 1, %}x{% endwith %}", "  {% with a = 1 %}\n  {{ a }}\n  {% endwith %}\nz", "{% macro f(a) %}{% with b = a ~ a %}{{ b }}{% endwith %}{% endmacro %}{{ f('x') }}", "{% with a = nothing.more %}{% endwith %}",
    "{% filter upper %}a{{ messages[0].content }}{% endfilter %}b", "{% filter trim | replace('a', 'b') %}  xaa {% endfilter %}|", "{% for i in [1,2,3] %}{% filter upper %}a{{ i }}{% if i == 2 %}{% break %}{% endif %}{% endfilter %}{% endfor %}|", "{% filter upper %}{% set a = 'x' %}{{ a }}{% endfilter %}{{ a is defined }}",
    "{% filter length %}abc{% endfilter %}", "{% filter first %}{% endfilter %}", "{% filter 'a' %}b{% endfilter %}", "{% filter trim() | upper %} a {% endfilter %}{% set x %}{% filter lower %}A{% endfilter %}{% endset %}{{ x }}", "{% filter upper(1) %}x{% endfilter %}", "{% filter upper == 'A' %}a{% endfilter %}",
    "{% macro f() %}{{ caller('a') }}{% endmacro %}{% if tools %}{% call(x, y=1) f() %}{{ x }}{% endcall %}{% endif %}y", "{% call f %}x{% endcall %}", "{% call f() %}x", "{% macro g(t) %}{%- call g(t) -%} x {%- endcall -%}{% endmacro %}z",
    # what is not there
    "{{ nothing }}|{{ nothing ~ 'a' }}|{{ nothing is defined }}|{% if nothing %}x{% else %}y{% endif %}", "{{ nothing + 'a' }}", "{{ nothing.more }}", "{{ nothing['more'] }}",
    "{{ nothing == none }}{{ nothing == other }}{{ nothing != 'a' }}{{ nothing in ['a'] }}{{ 'a' not in nothing }}{{ 'a' in nothing }}", "{{ not nothing }}{{ nothing or 'b' }}{{ (nothing and 'b') is defined }}",
    "{% for x in nothing %}x{% else %}none{% endfor %}", "{{ nothing | length }}{{ nothing | list | length }}{{ nothing | trim }}{{ nothing | upper }}{{ nothing | string | length }}", "{{ nothing | first is defined }}",
    "{{ nothing | int }}", "{{ nothing | tojson }}", "{{ nothing | join('-') }}{{ nothing | default('d') }}{{ '' | default('d') }}{{ '' | default('d', true) }}{{ none | default('d', true) }}",
    "{{ nothing is none }}{{ nothing is string }}{{ nothing is iterable }}{{ nothing is sequence }}{{ nothing is mapping }}{{ nothing is number }}", "{{ 1 if nothing }}|{{ (1 if nothing) is defined }}",
    "{% set a = nothing %}{{ a is defined }}{{ a }}", "{{ messages[0].more is defined }}{{ messages[9] is defined }}{{ 'a'.b is defined }}{{ none['x'] is defined }}{{ messages['x'] is defined }}", "{{ messages[9].role }}",
    "{{ nothing < 1 }}", "{{ nothing.strip() }}", "{{ nothing[1:] }}", "{{ -nothing }}", "{{ tools is none }}{{ documents is none }}{{ tools is defined }}{{ pad_token }}{{ cls_token is defined }}",
    # scopes
    "{% set a = 1 %}{% for i in [1,2] %}{% set a = a + i %}{{ a }}{% endfor %}{{ a }}", "{% set ns = namespace(a=1, b='x') %}{% for i in [1,2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}{{ ns['a'] }}",
    "{% if true %}{% set a = 2 %}{% endif %}{{ a }}", "{% set a %}x{{ 1 + 1 }}{% endset %}{{ a }}{{ a is string }}", "{% set x.y = 1 %}", "{% set a = 1 %}{% set a.b = 2 %}", "{% set ns = namespace() %}{% set ns.x = ns.y %}{{ ns.x is defined }}",
    "{% for m in messages %}{% for n in messages %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}{{ loop is defined }}", "{% for i in [1] %}{{ loop is defined }}{{ loop.more is defined }}{% endfor %}",
    "{% macro f(a, b=2) %}{{ a }}-{{ b }}{{ c }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(1, b=4) }}{{ f(b=5) }}{% set c = 9 %}{{ f('z') | upper }}", "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro f() %}x{% endmacro %}{{ f(1) }}", "{% for i in [1] %}{% set k = 5 %}{% macro f() %}{{ k }}{% endmacro %}{% endfor %}{{ k is defined }}",
    # loops
    "{% for i in range(5) %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for i in [1,2,3] %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}", "{% for i in range(9) if i is even %}{{ loop.index }}{{ i }}{{ loop.last }} {% endfor %}",
    "{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }} {% endfor %}", "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for c in 'aé' %}{{ c }}.{% endfor %}",
    "{% for m in messages[::-1] %}{{ m.role }}{% endfor %}", "{% for m in messages[1:] %}{{ m.role }}{% else %}one{% endfor %}", "{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}{{ range(3) | list | length }}{{ range(2)[1] }}",
    "{{ [1,2,3,4][-2:] | join }}{{ [1,2,3,4][:-1] | join }}{{ [1,2,3,4][::2] | join }}{{ [1,2,3,4][3:0:-1] | join }}{{ [1,2][5:] | length }}{{ 'abcd'[1:3] }}{{ 'abcd'[-1] }}{{ [1,2,3][-9:2] | join }}", "{% for k in {'a': 1} %}{{ k }}{% endfor %}",
    "{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}{% for k, v in {'b': 2} | items %}{{ k }}{{ v }}{% endfor %}", "{% for i in none %}{% endfor %}", "{% for m in messages %}{{ loop.cycle('a', 'b') if false else 'c' }}{% endfor %}",
    # texts
    "{{ ' a b '.strip() }}|{{ 'xxaxx'.lstrip('x') }}|{{ 'a,b,c'.split(',')[-1] }}|{{ 'a,b,c'.split(',', 1)[1] }}|{{ 'a,b,c'.rsplit(',', 1)[0] }}|{{ 'a\nb'.splitlines() | length }}", "{{ 'abc'.startswith('a') }}{{ 'abc'.endswith('b') }}{{ 'b' in 'abc' }}{{ 'abc'.find('c') }}",
    "{{ 'heLLo wORLD x-y'.title() }}{{ \"it's o-k a_b (x)\" | title }}{{ \"it's a_b\".title() }}{{ 'aB'.upper() }}{{ 'aB' | lower }}{{ 'abc' | capitalize }}", "{{ 'a' 'b' }}{{ \"q\\\"\\u00e9\\n\" }}", "{{ 'a-b'.replace('-', '+') }}{{ 'aaa' | replace('a', 'b', 2) }}",
    "{{ messages[0].content | tojson }}{{ [1, 'a', none, true, 1.5] | tojson }}{{ {'a': [1, {}]} | tojson(indent=2) }}{{ messages[0] | tojson }}{{ 'é\u2028\x7f\x01' | tojson }}", "{{ messages | map(attribute='role') | join(',') }}", "{{ '%d' | string }}{{ 1.0 }}{{ 1e3 }}{{ 10 // 3 }}{{ 2 ** 3 }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ messages | rejectattr('role', 'eq', 'user') | map(attribute='role') | join }}{{ messages | selectattr('content') | list | length }}{{ messages | selectattr('more', 'defined') | list | length }}", "{{ 'a' is in ['a'] }}{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ 4 is divisibleby(3) }}{{ 'a' is not string }}{{ true is boolean }}{{ 1 is sameas 1 }}{{ none is none }}",
    "{{ 'user' in ('user', 'x') }}{{ () | length }}{{ ('a',)[0] }}", "{{ 1 < 2 < 3 }}{{ not 1 == 2 }}{{ 'a' < 'b' }}{{ 1 == true }}{{ 'a' == 1 }}", "{{ messages | length > 1 }}{{ messages | length - 1 }}{{ (messages | last).role }}{{ messages | first is mapping }}", "{{ [] | first is defined }}{{ ([1,2] + [3]) | length }}{{ {'a': 1}['a'] }}{{ {'a': 1}.b is defined }}{{ {'a': 1}.get('b', 3) }}",
    "{{ strftime_now('%d %b %Y') }}|{{ strftime_now('%Y-%m-%d') }}|{{ strftime_now('%A, %B %-d (%j) %y%%') }}{{ strftime_now is defined }}", "{{ raise_exception('no') }}", "{{ raise_exception('no') if messages[0].role == 'system' else 'yes' }}", "{% generation %}a{% endgeneration %}b", "{{ bos_token + eos_token }}{{ add_generation_prompt }}{{ none }}",
    "{{ 'a' + 1 }}", "{{ 1 + '1' }}", "{{ 'a' ~ 1 ~ true ~ none }}", "{{ no_function() }}", "{{ 'x' | no_filter if false else 'y' }}" if False else "{{ 'y' }}", "{{ messages[0].content.no_method() if false else 'y' }}", "{{ 'a' if 'b' in messages[0].content and messages[0].content is string else 'c' }}",
    # signs, escapes, arguments by name
    "{{ -1 | abs }}{{ - 3 | string }}{{ -1 ** 2 }}{{ 2 ** -1 }}{{ -messages[0].content | length if false else -2 | abs }}", "{{ 'a\\a\\b\\f\\v\\033\\0b\\101\\q\\777' }}{{ 'a\\\nb' }}", "{{ 'a' if true }}{{ 1 if false else 2 if false else 3 }}{{ 1 if true if false else 4 }}",
    "{{ 'xax' | trim(chars='x') }}{{ 'a b' | replace(old='a', new='c') }}{{ 'a,b,c'.split(sep=',', maxsplit=1) | join(d='+') }}{{ 'z' | int(default=4) }}{{ none | default(default_value='x', boolean=true) }}{{ '' | default(boolean=true) }}|{{ 'a,b'.rsplit(sep=',')[0] }}",
    "{{ 'ab' * 3 }}{{ 2 * 'b' }}{{ ([1] * 2) | length }}{{ 'a' * -1 }}|{{ 'a' * true }}{{ 'a' ~ 'b' * 2 }}", "{% set a, b = 1, 'x' %}{{ a }}{{ b }}{% set c, d = messages[0].role, messages | length %}{{ c }}{{ d }}", "{% set a, b = [1] %}",
    "{{ messages[nothing] is defined }}{{ {'a': 1}[nothing] is defined }}{{ messages[0][nothing] }}|", "{{ nothing[nothing] }}", "{% for i in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}", "{{ cycler is defined }}{{ joiner is defined }}{{ lipsum is defined }}",
    "{% macro f(a, b=a, c=b ~ 'c') %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(1, c=3) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, z=2) }}", "{{ 'a' | regex_replace('a', 'b') }}", "{{ ['x'].index('y') }}",
    "{{ 'aXbXc'.rsplit('X', 1) | join('-') }}{{ 'aXbXc'.rsplit('X') | join('-') }}{{ 'aaaaa'.rsplit('aa', 1) | join('-') }}{{ 'é—é'.rsplit('—', 1) | join('-') }}{{ 'aaaaa'.split('aa') | join('-') }}", "{{ range(5, 100, 200) | list | length }}{{ range(3, -9, -100)[0] }}{{ range(9, 3) | list | length }}",
    # what is made one by one
    "{{ 'y' if messages | selectattr('role', 'equalto', 'nobody') }}{{ 'n' if messages | selectattr('role', 'equalto', 'nobody') | list else 'e' }}", "{% set s = messages | map(attribute='role') %}{{ s | join(',') }}|{{ s | join(',') }}|{% for x in s %}x{% else %}none{% endfor %}",
    "{% set s = messages | map(attribute='role') %}{% if s and not (s is none) and s is iterable and s is not string %}{{ 'user' in (messages | map(attribute='role')) }}{{ s | list | length }}{{ s | list | length }}{% endif %}", "{{ ([] | map('upper') and 'a') }}",
    "{{ messages | map('upper') | length }}", "{{ messages | reverse | map(attribute='role') | join }}{{ 'abc' | reverse }}{{ (messages | reverse | list)[0].role }}", "{% macro f(x) %}{{ x | join('+') }}{% endmacro %}{% set s = messages | map(attribute='role') %}{{ f(s) }}{{ f(s) }}",
    "{{ (messages | map(attribute='role') | first) }}{{ messages | items | list }}", "{{ 'x' is odd }}", "{{ true | abs }}{{ -2.5 | abs }}", "{{ 3.0 is odd }}{{ 2.5 is even }}{{ true is odd }}{{ -3 is odd }}", "{{ (nothing is even) if messages[0].role == 'system' else 'u' }}", "{{ 'a' is string if true else 'b' }}", "{{ 'a' is string is defined }}", "{{ {'b': ['a']} is defined and 'a' is in {'b': ['a']}['b'] and 4 is divisibleby [2][0] }}", "{{ 3 | safe + 'a' }}{{ (false | safe) and 'y' }}{{ nothing | safe }}", "{{ [] | items | list | length }}", "{{ nothing | items | list | length }}",
    "{{ no_function('x') if messages[0].role == 'system' else 'y' }}", "{{ messages | map(attribute='role') | map('upper') | join(' ') }}{{ ['a', 'b'] | map('length') | list | length }}", "{{ {'a': {'b': 1}}['a']['b'] }}{{ {'x': 1}.get('y') }}{{ {'x': 1}.get('y', 'z') }}{{ [[1, 2], [3]] | first | length }}",
    "{{ (messages[0].content if messages[0].content is string else '') | trim }}", "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% set messages = messages[1:] %}{% endif %}{{ messages | length }}", "{{ '</think>' in messages[-1].content }}{{ messages[-1].content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}",
]

TALKS = [
    [("user", "What is 2 + 2?")],
    [("user", "Hi"), ("assistant", "Hello."), ("user", " And now?\n")],
    [("system", "Be brief."), ("user", "Hi")],
    [("system", " Be\nbrief. "), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "<think>\nx\n</think>\n\nd"), ("user", "e</think>")],
    [("user", "a"), ("user", "b")],
    [("user", "")],
    [("system", ""), ("user", "\u3000caf\u00e9 \U0001f600 {{ x }} [INST] \"q\" \\n <|im_end|>\t\x1f")],
    [("user", "q"), ("assistant", ""), ("user", "<think>r</think>")],
    [("assistant", "first"), ("user", "x")],
    [("tool", "t"), ("user", "x")],
]


def texts(lm, template):
    out = []
    for talk in TALKS:
        lm.tokenizer.chat_template = template
        try:
            out.append(HFLM.apply_chat_template(lm, [{"role": r, "content": c} for r, c in talk]))
        except Exception:
            out.append(None)
    return out


def class_tokens():
    """Special tokens of tokenizers whose configuration names their class and little else."""
    found = []
    named = [({"tokenizer_class": name}, model) for name in ("GPT2Tokenizer", "GPT2TokenizerFast", "GPTNeoXTokenizerFast", "Qwen2Tokenizer", "LlamaTokenizer", "GemmaTokenizerFast")
             for model in ("llama", "olmo2")]
    more = {"bos_token": {"__type": "AddedToken", "content": "<b>"}, "image_token": "<i>", "add_bos_token": True, "extra_special_tokens": {"think_token": "<t>", "other": "<o>"}}
    for config, model in named + [({"tokenizer_class": "PreTrainedTokenizerFast"}, "llama"), ({"tokenizer_class": "PreTrainedTokenizerFast", **more}, "llama"),
                                  ({"tokenizer_class": "LlamaTokenizer"}, "mistral"), ({"tokenizer_class": "GPTNeoXTokenizer", "bos_token": None}, "olmo")]:
        with tempfile.TemporaryDirectory() as folder:
            PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE())).save_pretrained(folder)
            for file, content in (("tokenizer_config.json", config), ("config.json", {"model_type": model})):
                pathlib.Path(folder, file).write_text(json.dumps(content))
            found.append([config, model, configure_pad_token(AutoTokenizer.from_pretrained(folder)).special_tokens_map])
    return found


def main(path):
    logging.disable(logging.WARNING)
    chat_template_utils.datetime = types.SimpleNamespace(now=lambda: DAY)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    lm = types.SimpleNamespace(tokenizer=configure_pad_token(tokenizer), chat_template_args={})
    files = sorted(pathlib.Path(trl.__file__).parent.joinpath("chat_templates").glob("*.jinja"))
    if os.environ.get("CREST_CHAT_TEMPLATES"):  # further ones, by hand
        files += sorted(pathlib.Path(os.environ["CREST_CHAT_TEMPLATES"]).glob("*.jinja*"))
    real = {**SHORT, **{file.stem: file.read_text() for file in files}}
    named = [(name, text, True) for name, text in real.items()] + [(f"rule {i}", text, False) for i, text in enumerate(RULES)]
    cases = [{"name": n, "template": t, "real": r, "texts": texts(lm, t)} for n, t, r in named]
    with open(path, "w") as file:
        json.dump({"date": DAY.strftime("%Y-%m-%d"), "specials": tokenizer.special_tokens_map, "cases": cases, "classes": class_tokens(),
                   "talks": [[{"role": r, "content": c} for r, c in talk] for talk in TALKS]}, file)


if __name__ == "__main__":
    main(sys.argv[1])
