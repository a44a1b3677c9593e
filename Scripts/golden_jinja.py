#!/usr/bin/env python3
"""Write the golden renderings that the tests compare our interpreter with: made by Python's jinja2.

    Scripts/golden_jinja.py Tests/JinjaTests/Golden

Each case is a template of ours and its variables; jinja2 gives the text, or the fact that it fails. The families'
templates under Golden/families are written for these tests in the idioms of published models.
"""

import json
import pathlib
import sys

import jinja_reference

VALUES = {
    "n": 7,
    "x": 2.5,
    "s": "Hello, World",
    "empty": "",
    "nothing": None,
    "yes": True,
    "no": False,
    "words": ["pear", "Apple", "fig", "apple", "Fig"],
    "numbers": [3, 1, 4, 1, 5, 9, 2, 6],
    "mixed": [1, "two", 3.0, None, True, [4, 5], {"six": 7}],
    "d": {"b": 2, "a": 1, "C": 3},
    "nested": {"list": [{"name": "Ada", "age": 36}, {"name": "Bob", "age": 25}, {"name": "Cy", "age": 25}], "items": "own"},
    "people": [
        {"name": "Ada", "age": 36, "city": {"name": "London"}},
        {"name": "bob", "age": 25, "city": {"name": "Paris"}},
        {"name": "Cy", "age": 25, "city": {"name": "london"}},
        {"name": "Di", "age": 41},
    ],
    "text": "One line\nsecond line\n\n  fourth line with <b>tags</b> & more",
    "unicode": "Grüße, 世界 🎉 e\u0301",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ],
}

EXPRESSIONS = r"""
1 + 2 * 3
(1 + 2) * 3
7 / 2
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7.5 // 2
-7.5 // 2
-7.5 % 2
7.5 % -2
2 ** 10
2 ** -1
2 ** 3 ** 2
-2 ** 2
2 ** 0.5
1 - 2 - 3
1e3
1.5e-7
1e16
1e15
123456789012345680.0
1e22
1e-5
0.0001
0.1 + 0.2
100.0
1.0 * 3
3.14159
10 / 5
-0.0
0x1F
0b101
0o17
1_000_000
1_0.5_0
+n
-n
- -n
n ~ x ~ s
1 ~ 2 * 3
"a" ~ none ~ true ~ 1.0
"a" "b" 'c'
"a" * 3
3 * "ab"
[1] * 3
[1, 2] + [3]
(1, 2) + (3,)
"a" + "b" + "c"
true + 1
true and 5
0 or "x"
0 or false or none
1 and 2 and 3
1 and 0 and 3
not true
not 0
not not "x"
not n == 7
1 < 2 < 3
1 < 2 > 5
1 == 1.0
1 == true
"1" == 1
none == none
none == false
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{"a": 1} == {"a": 1.0}
[1, 2] < [1, 3]
"abc" < "abd"
"B" < "a"
"é" == "é"
missing == missing
missing == none
1 != 2
2 >= 2
2 <= 1
"ell" in s
"" in s
3 in numbers
33 not in numbers
"a" in d
"z" in d
none in mixed
[4, 5] in mixed
"x" in missing
"a" if yes else "b"
"a" if no else "b"
"a" if no
"a" if no else "b" if no else "c"
("a" if no) is defined
true
True
false
False
none
None
[1, 2.0, "x", none, true]
["it's", 'say "hi"', "both ' and \""]
("a",)
()
(1, 2)
1, 2
{}
{"a": 1, "b": [1, {"c": none}]}
{1: "one", 2.5: "x", none: 0, true: 1}
{"a": 1, "a": 2}
"\n\t\\\"\'\x41\u00e9\u4e16"
["\n\t\\\x00\x7f\u00a0é🎉"]
'\d \. \q'
s[0]
s[-1]
s[100]
s[1:4]
s[:5]
s[-5:]
s[::-1]
s[::2]
s[10:2:-3]
s[5:1]
s[-100:100]
numbers[1:-1]
numbers[::-2]
numbers[:0]
(1, 2, 3)[1:]
range(10)[2:8:3] | list
range(0, 10, 2)[::-1]
range(0, 10, 2)[1:4:2]
range(0, 10)[5:3]
range(9, -9, -4)[::2]
range(9, -9, -4)[3:100]
range(0, 10, 2)[::4611686018427387903]
range(0, 10, 2)[::-4611686018427387904] | length
range(-9223372036854775807, 9223372036854775807, 4611686018427387904) | list
range(-9223372036854775807, 9223372036854775807, 4611686018427387904)[3]
range(0, 10, 9223372036854775807) | list
s[-9223372036854775807 - 1:9223372036854775807]
(-9223372036854775807 - 1) % -1
-9223372036854775807 - 1
(-9223372036854775807 - 1) // 1
s[9223372036854775807] is defined
s.find('o', -9223372036854775807 - 1, 9223372036854775807)
s.split(none, 9223372036854775807)
'-5'.zfill(-9223372036854775807 - 1)
'é\t|'.expandtabs(-5)
s | truncate(9223372036854775807, true, '.', 9223372036854775807)
s.replace('o', '0', 9223372036854775807)
5000000000000000000 | round(-19)
9000000000000000000 | round(-18)
'%-*d|' | format(-4, 3)
'%*d|' | format(-4, 3)
'%d %x' | format(9223372036854775807, 9223372036854775807)
'{:,}'.format(-9223372036854775807 - 1)
numbers | batch(9223372036854775807) | list
numbers[::9223372036854775807]
numbers[::-9223372036854775807]
numbers[0]
numbers[-1]
numbers[8] is defined
numbers["x"] is defined
words.0
d.a
d["a"]
d.z is defined
d["items"] is defined
nested.items is callable
nested["items"]
nested.list[0].name
nested.list.0.age
none.x is defined
n.x is defined
missing
missing is defined
nested.nope
[missing]
[1, 2, 3].index(2)
words.count("fig")
words.index("fig")
d.items() | list
d.keys() | list
d.values() | list
d.items()
d.keys()
d.get("a")
d.get("z")
d.get("z", "default")
d.copy()
d.items() | length
"a" in d.keys()
2 in d.values()
range(5)
range(5) | list
range(2, 10, 3) | list
range(5, 0, -2) | list
range(0) | list
range(3) | length
3 in range(5)
range(1, 7)[2]
dict(a=1, b=2)
dict({"x": 1}, y=2)
dict([("k", "v")])
namespace(a=1).a
namespace({"q": 2}).q
"%s is %d" % ("x", 3)
"%5.2f|%-6s|%06d|%x|%%" % (3.14159, "ab", -42, 255)
"%(a)s-%(b)r" % {"a": 1, "b": "q"}
"%s" % "one"
"%r" % ["a"]
"%+d % d %i" % (1, 2, 3)
"%e %g %G" % (12345.678, 0.00001234, 1e20)
"%c%c" % ("a", 98)
"%5s|%.2s" % ("ab", "abcdef")
"%*d" % (5, 3)
"{} and {}".format(1, "two")
"{0}{1}{0}".format("a", "b")
"{name}: {value:.2f}".format(name="x", value=2)
"{:>6}|{:<6}|{:^6}|{:*^7}".format("a", "b", "c", "d")
"{:05d}|{:+d}|{:,}|{:x}|{:#x}|{:b}|{:o}".format(42, 5, 1234567, 255, 255, 5, 8)
"{:.3}|{:e}|{:%}|{:g}".format("abcdef", 1234.5, 0.25, 1e10)
"{!r} {!s}".format("a", "b")
"{{}} {}".format(1)
"{0[a]} {0[b][0]} {1}".format({"a": 1, "b": [2]}, 3)
"{:{}}|".format("x", 4)
"{}".format(none)
"{:5}|{:5}".format(3, 2.5)
"{:,.2f}".format(1234567.891)
"{:_}".format(1234567)
s.upper()
s.lower()
s.title()
"hELLO wORLD".capitalize()
"they're bill's".title()
s.swapcase()
s.split(", ")
s.split()
" a  b c ".split()
" a  b c ".split(none, 1)
"a,b,,c".split(",")
"a,b,c,d".split(",", 2)
"a,b,c,d".split(",", maxsplit=1)
"a,b,c,d".rsplit(",", 1)
" a  b c ".rsplit(none, 1)
"".split()
"".split(",")
"a\nb\r\nc\n\nd".splitlines()
"a\nb".splitlines(true)
"  x  ".strip()
"xxhixx".strip("x")
"  x  ".lstrip() ~ "|"
"  x  ".rstrip() ~ "|"
"abcba".lstrip("ab")
"abcba".rstrip("ab")
s.startswith("Hell")
s.startswith(("x", "H"))
s.startswith("ello", 1)
s.endswith("ld")
s.endswith(("x", "d"))
s.endswith("")
s.replace("l", "L")
s.replace("l", "L", 2)
"abc".replace("", "-")
"abc".replace("", "-", 2)
s.find("o")
s.find("o", 5)
s.find("z")
s.rfind("o")
s.index("W")
s.count("l")
s.count("")
"aaaa".count("aa")
"-".join(["a", "b"])
"-".join("abc")
"a=b=c".partition("=")
"a=b=c".rpartition("=")
"abc".partition("x")
"prefix-x".removeprefix("prefix-")
"x-suffix".removesuffix("-suffix")
"x".removeprefix("y")
"42".isdigit()
"4 2".isdigit()
"²".isdigit()
"½".isnumeric()
"abc".isalpha()
"abc1".isalnum()
" \t".isspace()
"".isspace()
"abc".islower()
"aBc".islower()
"ABC1".isupper()
"Title Case".istitle()
"x1".isidentifier()
"1x".isidentifier()
"abc".isascii()
"é".isascii()
"x".center(5, "*")
"ab".center(5) ~ "|"
"x".ljust(4, ".")
"x".rjust(4)
"-42".zfill(6)
"42".zfill(1)
"a\tb".expandtabs(4)
unicode | length
unicode[7:9]
unicode.upper()
"ß".upper()
"İ".lower() | length
n | abs
-3 | abs
-2.5 | abs
"3" | int
"3.7" | int
"x" | int
"x" | int(5)
"ff" | int(0, 16)
"0x1A" | int(0, 16)
" 42 " | int
"1_000" | int
3.99 | int
-3.99 | int
none | int
true | int
"2.5" | float
"x" | float
"x" | float(1.5)
n | float
"1e3" | float
"inf" | float
2.5 | round
3.5 | round
2.675 | round(2)
42.55 | round(1, "floor")
42.12 | round(1, "ceil")
42 | round
42 | round(0, "ceil")
1234 | round(-2)
1250 | round(-2)
1350 | round(-2)
1234.5 | round(-2)
n | string
mixed | string
s | upper
s | lower
s | capitalize
"foo-bar (baz) [qux] it's" | title
"  x  " | trim
"xxhixx" | trim("x")
s | replace("o", "0")
s | replace("o", "0", 1)
n | replace("7", "8")
s | length
numbers | count
d | length
missing | length
numbers | first
numbers | last
[] | first
[] | last is defined
"" | first is defined
s | first
d | first
s | reverse
numbers | reverse | list
words | sort
words | sort(true)
words | sort(case_sensitive=true)
numbers | sort(reverse=true)
people | sort(attribute="age") | map(attribute="name") | list
people | sort(attribute="age,name", reverse=true) | map(attribute="name") | list
d | dictsort
d | dictsort(true)
d | dictsort(by="value", reverse=true)
words | unique | list
words | unique(true) | list
people | unique(attribute="age") | map(attribute="name") | join(",")
numbers | min
numbers | max
words | min
words | max
words | max(case_sensitive=true)
people | max(attribute="age")
[] | min is defined
numbers | sum
people | sum(attribute="age")
numbers | sum(start=100)
[0.1, 0.2] | sum
numbers | join
numbers | join(", ")
people | join("; ", attribute="name")
mixed | join("|")
"abc" | join("-")
numbers | list
"abc" | list
d | list
people | map(attribute="name") | list
people | map(attribute="city.name") | list
people | map(attribute="city.name", default="?") | list
words | map("upper") | join(" ")
words | map("replace", "p", "P") | list
numbers | select("odd") | list
numbers | reject("odd") | list
numbers | select("gt", 3) | list
numbers | select("divisibleby", 3) | list
mixed | select | list
mixed | reject | list
people | selectattr("age", "equalto", 25) | map(attribute="name") | list
people | rejectattr("age", "lt", 30) | map(attribute="name") | list
people | selectattr("city") | list | length
people | selectattr("city", "defined") | list | length
people | rejectattr("city", "defined") | map(attribute="name") | list
messages | selectattr("role", "in", ["user", "system"]) | map(attribute="content") | join("/")
messages | selectattr("role", "==", "user") | list | length
words | groupby(0)
people | groupby("age") | map("first") | list
people | groupby("age") | map(attribute="grouper") | list
people | groupby("age") | map(attribute="list") | map("length") | list
people | groupby("city.name", default="none") | map(attribute="grouper") | list
numbers | batch(3) | list
numbers | batch(3, "-") | list
numbers | slice(3) | list
numbers | slice(3, "-") | list
d | items | list
missing | items | list
s | list | last
s | center(20) ~ "|"
text | indent
text | indent(2, true)
text | indent(2, blank=true)
text | indent("> ")
text | indent(width=1, first=true, blank=true)
"" | indent
"The quick brown fox" | truncate(12)
"The quick brown fox" | truncate(12, true)
"The quick brown fox" | truncate(9, false, "…", 0)
"short" | truncate(3)
"The quick brown fox jumps over" | wordwrap(10)
"antidisestablishmentarianism" | wordwrap(10)
"antidisestablishmentarianism is" | wordwrap(10, false)
"a b\nc d e f g" | wordwrap(3, wrapstring="|")
"well-known mother-in-law" | wordwrap(8)
s | wordcount
"%s-%s" | format("a", 1)
"%(x)s" | format(x=1)
"<p>Hello <b>big</b>\n  world &amp; co</p><!-- no -->" | striptags
"a b/c?d=é&e" | urlencode
{"a b": "c/d", "e": "f&g"} | urlencode
"<a href='x'>\"&</a>" | escape
"<a>" | e
"<a>" | safe
("<a>" | safe) + "<b>"
("<a>" | safe) ~ "<b>"
"<a>" | forceescape
["<a>" | safe]
{"class": "x", "id": none, "q": "<"} | xmlattr
1000 | filesizeformat
123456789 | filesizeformat
1 | filesizeformat
999 | filesizeformat
1048576 | filesizeformat(true)
missing | default("dflt")
missing | d("x")
none | default("x")
none | default("x", true)
"" | default("x", boolean=true)
missing | default
{"a": 1} | attr("a") is defined
"x" | attr("upper") is callable
d | tojson
mixed | tojson
mixed | tojson(indent=2)
{"a": {}, "b": [], "c": {"d": [1]}} | tojson(indent=4)
d | tojson(sort_keys=true)
d | tojson(separators=(",", ":"))
unicode | tojson
unicode | tojson(ensure_ascii=true)
"<a href='x'>&\"\\\n\t\u0001\u007f" | tojson
1.0 | tojson
1e20 | tojson
[1, (2, 3)] | tojson
{1: 2, none: 3, true: 4} | tojson
{"a": 1} | tojson(indent="--")
[[]] | tojson(indent=0)
none | tojson
n is odd
n is even
n is divisibleby 7
n is divisibleby(2)
n is number
x is number
x is float
n is float
n is integer
true is integer
true is number
true is boolean
n is boolean
true is true
1 is true
false is false
none is none
missing is none
missing is undefined
n is defined
s is string
n is string
d is mapping
words is mapping
words is sequence
s is sequence
d is sequence
n is sequence
d.items() is sequence
words is iterable
n is iterable
missing is iterable
range is callable
s is callable
s is lower
"abc" is lower
"ABC" is upper
n is eq 7
n is equalto(7)
n is ne 7
n is lt 8
n is le 7
n is gt 7
n is ge 7
n is in [7, 8]
n is not in [7, 8]
"a" is in "abc"
none is sameas none
d is sameas d
[] is sameas []
"upper" is filter
"nope" is filter
"odd" is test
"x" is escaped
("x" | safe) is escaped
n is not none
n is not none and n is odd
not n is none
missing is not defined
n is lessthan 10
n is greaterthan 10
(n, x) | join(",")
numbers | sort | first
numbers | map("string") | join(",") | length
not missing
missing ~ "x"
missing | upper
missing | list
missing | join(",")
missing | trim
missing | string | length
missing or "fallback"
missing and "x"
1 if missing else 2
cycler("a", "b").next()
joiner("|")()
strftime_now("%Y-%m-%d %H:%M:%S")
strftime_now("%d %b %Y, %A %j %p %I %y %B %a %f %%")
strftime_now("Today: %-d")
(x | int) + 1
x | int + 1
-x | abs
"a" in "abc" and "d" not in "abc"
[x for_ in 1] is defined
"a".upper().lower().title()
[[1, 2], [3, 4]][1][0]
{"a": {"b": {"c": "deep"}}}.a.b.c
"abc"[1:][0]
(1 if true else 2) + 1
[1, 2, 3,]
{"a": 1,}
namespace(x=[1]).x[0]
"x".__class__
[].append
words.append("x")
d.pop("a")
d.update({"q": 1})
undefined_function()
missing.attribute
missing["x"]
missing + 1
missing < 1
-missing
1 + "a"
"a" + 1
[1] + (2,)
1 / 0
1 // 0
1 % 0
0 ** -1
"a" < 1
none < 1
none + none
1 in 5
1 in "abc"
n()
n | length
none | length
n | list
n | first
d | sort | list
mixed | sort
[1, none] | min
words | sum
"x" | abs
none | round
{[1]: 2}
[1][::0]
d[1:2]
range(1000000)
range(1, 2, 0)
"%d" % "x"
"%s %s" % ("a",)
"%s" % ("a", "b")
"%q" % 1
"{} {}".format(1)
"{".format(1)
"}".format(1)
"{0} {}".format(1, 2)
"{a}".format(b=1)
"{:d}".format("x")
"x".split("")
"x".index("y")
"-".join([1])
"x".center("y")
"x".upper(1)
"x".nope()
missing | tojson
range | tojson
(numbers | map("odd")) | list
numbers | map | list
numbers | select("nope") | list
numbers | nope
n is nope
n is divisibleby 0
n is divisibleby
n is odd(1)
raise_exception("stop here")
s | truncate(1)
s | round
words | join(1, 2, 3)
words | batch
words | map("upper", 1) | list
dict([1])
dict(1)
cycler()
strftime_now()
s.missing.more
nested.list[9].name
1 +
(1
[1
{"a" 1}
1 2
"open
a b
a.
a|
a is
{{ }}
@
a !
x[1
f(a=1, 2)
f(**a, b)
f(a=1, a=2)
a if
not
""".strip("\n").split("\n")

TEMPLATES = r"""
plain text
a{# comment #}b
a {#- comment -#} b
a\n{# comment #}\nb
{{ 1 }}\n{{ 2 }}\n
a\n{% if yes %}\nb\n{% endif %}\nc
a\n  {% if yes %}\n  b\n  {% endif %}\nc
a\n  {%+ if yes %}\n  b\n  {%+ endif +%}\nc
a  {%- if yes -%}  b  {%- endif -%}  c
a  {{- 1 -}}  b
a  {{ 1 }}  b
a\n\n  {{- 1 -}}  \n\nb
x {% if yes %} y {% endif %} z
{% if yes %}\n\n\ny{% endif %}
  {% set a = 1 %}  b
\t{% set a = 1 %}\t\nb
a\n \t {% set a = 1 %} \n b
a\r\nb\rc{% if yes %}\r\nd{% endif %}
trailing newline\n
two trailing newlines\n\n
{% raw %}{{ not }} {% this %}{% endraw %}
{% raw -%}  a  {%- endraw %} b
a\n  {% raw %}\n  x\n  {% endraw %}\nb
{{ "{{" }} {{ '%}' }}
{{ {"a": {"b": 1}}.a }}
{{+ 1 }}{{- 2 }}{{ -3 }}{{-4}}{{+5}}
{#\n  {{ not }} {% this %}\n#}x
{# a #}\n{# b #}\nc
  {# a #}\n  {#- b +#}\nc
{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}
{% if no %}a{% elif no %}b{% elif yes %}c{% else %}d{% endif %}
{% if missing %}a{% else %}b{% endif %}
{% if 1, 2 %}tuple{% endif %}
{% for i in numbers %}{{ i }},{% endfor %}
{% for i in [] %}x{% else %}none{% endfor %}
{% for i in numbers if i > 3 %}{{ i }}{% if not loop.last %},{% endif %}{% else %}none{% endfor %}
{% for i in numbers if i > 30 %}{{ i }}{% else %}none{% endfor %}
{% for i in words %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }};{% endfor %}
{% for i in words %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}
{% for i in words %}{{ loop.cycle("odd", "even") }} {% endfor %}
{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }} {% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k, v in d | dictsort %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }}{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a + b + c }}{% endfor %}
{% for a, in [(1,), (2,)] %}{{ a }}{% endfor %}
{% for c in "aé🎉" %}[{{ c }}]{% endfor %}
{% for i in range(3) %}{% for j in range(2) %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }};{% endfor %}
{% for i in range(10) %}{% if i == 3 %}{% continue %}{% endif %}{% if i == 6 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in [1, 2] %}{% for j in [1, 2, 3] %}{% if j == 2 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}
{% set x = 0 %}{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% for i in [1, 2] %}{{ y is defined }}{% set y = i %}{% endfor %}{{ y is defined }}
{% if yes %}{% set z = 5 %}{% endif %}{{ z }}
{% set ns = namespace(total=0) %}{% for i in numbers %}{% set ns.total = ns.total + i %}{% endfor %}{{ ns.total }}
{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.b = ns.a + 1 %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a = 1, 2 %}{{ a }}
{% set (a, b) = [3, 4] %}{{ a * b }}
{% set block %}a {{ n }} b{% endset %}[{{ block }}]
{% set block | upper | replace("A", "x") %}a {{ n }} b{% endset %}[{{ block }}]
{% set q = 1 %}{% set block %}{% set q = 2 %}{{ q }}{% endset %}{{ block }}{{ q }}
{% filter upper %}abc {{ s }}{% endfilter %}
{% filter replace("a", "b") | trim %}  aaa  {% endfilter %}|
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}
{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}
{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }}
{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}
{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}inner {{ n }}{% endcall %}
{% macro list(items) %}{% for i in items %}{{ caller(i, loop.index) }}{% endfor %}{% endmacro %}{% call(item, index) list(words) %}{{ index }}:{{ item }} {% endcall %}
{% macro fact(k) %}{{ 1 if k < 2 else k * (fact(k - 1) | int) }}{% endmacro %}{{ fact(10) }}
{% macro m() %}{% set inner = 1 %}{{ n }}{% endmacro %}{{ m() }}{{ inner is defined }}
{% macro m() %}{{ later }}{% endmacro %}{% set later = "now" %}{{ m() }}
{% macro m() %}{% endmacro %}{{ m.name }} {{ m.arguments }} {{ m }}
{% macro m() %} x {% endmacro %}[{{ m() | trim }}][{{ m() | length }}]
{% macro a() %}A{% endmacro %}{% macro b() %}{{ a() }}B{% endmacro %}{{ b() }}
{%- macro m(x) -%}\n  {{ x }}\n{%- endmacro -%}\n{{ m(1) }}
{% for item in [1, [2, [3]], 4] recursive %}{% if item is iterable %}({{ loop(item) }}){% else %}{{ item }}@{{ loop.depth }}{% endif %}{% endfor %}
{% set c = cycler("a", "b") %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}
{% set j = joiner(",") %}{% for i in [1, 2, 3] %}{{ j() }}{{ i }}{% endfor %}
{% generation %}said {{ n }}{% endgeneration %}!
{% for m in messages %}{% generation %}{{ m.content }}{{ loop.index }}{% endgeneration %}{% endfor %}
{% print n, s %}
{% set it = numbers | map("string") %}{{ it | join }}{{ it | join }}
{% set it = numbers | select("odd") %}{{ it | first }}{{ it | list }}
{% for m in messages[1:] %}{{ m.role }}{% endfor %}
{% for m in messages | reverse %}{{ m["content"] }};{% endfor %}
{% for m in messages %}{% if m.role == "user" and (loop.index0 % 2 == 1) %}{{ m.content }}{% endif %}{% endfor %}
{% for m in messages if m.role != "system" %}{{ loop.index }}{{ m.role[0] }}{% endfor %}
{% set first = messages[0] if messages[0].role == "system" else none %}{{ first.content if first }}
{% for g in people | groupby("age") %}{{ g.grouper }}:{{ g.list | length }} {% endfor %}
{% for age, list in people | groupby("age") %}{{ age }}={{ list | map(attribute="name") | join("+") }} {% endfor %}
{% for row in numbers | batch(3, 0) %}{{ row }}{% endfor %}
{% for i in numbers %}{% if loop.index > 2 %}{% break %}{% endif %}{{ i }}{% else %}none{% endfor %}
{% for i in missing %}x{% else %}empty{% endfor %}
{% set x %}{% for i in [1, 2] %}{{ i }}{% endfor %}{% endset %}{{ x | int + 1 }}
{% set messages = messages[1:] %}{{ messages | length }}
{% if "role" in messages[0] %}has{% endif %}
{% set n = n + 1 %}{{ n }}
{%if yes%}tight{%endif%}
{% if yes: %}colon{% endif %}
{{ '' if no }}|
{{ ([1, 2] | tojson) ~ "\n" }}x
line1 {{ n }}\n    {% for i in [1, 2] %}\n    - {{ i }}\n    {% endfor %}\nend
{%- for m in messages -%}\n    {{- "<" + m.role + ">" -}}\n    {{- m.content -}}\n{%- endfor -%}
{% macro t(s) %}{% if s.type == "array" %}{{ t(s["items"]) }}[]{% else %}{{ s.type }}{% endif %}{% endmacro %}{{ t({"type": "array", "items": {"type": "array", "items": {"type": "x"}}}) }}
{% set ns = namespace(items=[]) %}{% for w in words %}{% set ns.items = ns.items + [w] %}{% endfor %}{{ ns.items }}
{% for i in [3, 1, 2] | sort %}{{ i }}{% endfor %}{{ loop is defined }}
{% if yes %}{{ "x" | nope if no else "fine" }}{% endif %}
{% if no %}{{ 1 | nope }}{% endif %}ok
{% if no %}{{ 1 is nope }}{% endif %}ok
{% for i in [1] %}{% if no %}{{ 1 | nope }}{% endif %}{% endfor %}ok
{% if yes %}{{ 1 | nope }}{% endif %}
{% if no %}{% for i in [] %}{{ 1 | nope }}{% endfor %}{% endif %}
{% break %}
{% for i in [1] %}{% endif %}
{% if yes %}
{% endif %}
{% unknown %}
{% for i %}{% endfor %}
{% for 1 in [1] %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% for i in 5 %}{% endfor %}
{% set = 1 %}
{% set none = 1 %}
{% set x.y = 1 %}
{% set d.y = 1 %}
{% macro m(a %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=1) }}
{% macro m(a) %}{% endmacro %}{{ m(1, a=1) }}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% call n %}{% endcall %}
{% include "x" %}
{% extends "x" %}
{% do words.append(1) %}
{{ loop(1) }}
{% for i in [1] %}{{ loop(i) }}{% endfor %}
{{ 1 }
{# open
{% raw %} open
{{ raise_exception("No " ~ n) }}
before{{ raise_exception("x") }}after
{% if messages[0].role == "system" %}{{ raise_exception("System role not supported") }}{% endif %}
{% macro r() %}{{ r() }}{% endmacro %}{{ r() }}
{{ "x" * 3 + 1 }}
{% filter nope %}{% endfilter %}
{% set x | nope %}{% endset %}
""".strip("\n").split("\n")


def conversations():
    tools = [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "Tells the \"weather\".",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "town": {"type": "string", "description": "Where, e.g. Zürich"},
                        "days": {"type": "array", "items": {"type": "integer"}},
                        "unit": {"type": "string", "enum": ["c", "f"]},
                    },
                    "required": ["town"],
                },
            },
        }
    ]
    chat = [
        {"role": "user", "content": "Hi <there> & \"you\""},
        {"role": "assistant", "content": "<think>\nHm.\n</think>\n\n  Hello 世界 "},
        {"role": "user", "content": " Bye\n"},
    ]
    system = {"role": "system", "content": "Be brief. "}
    called = [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant", "content": "",
            "tool_calls": [
                {"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": {"town": "Bern", "days": [1, 2]}}},
            ],
        },
        {"role": "tool", "tool_call_id": "abc123def", "name": "get_weather", "content": "{\"t\": 21.5}"},
        {"role": "user", "content": "Thanks"},
    ]
    yield "plain", {"messages": chat[:1], "add_generation_prompt": True}
    yield "turns", {"messages": chat, "add_generation_prompt": False}
    yield "system", {"messages": [system] + chat, "add_generation_prompt": True}
    yield "tools", {"messages": [system] + chat[:1], "tools": tools, "add_generation_prompt": True}
    yield "called", {"messages": called, "tools": tools, "add_generation_prompt": True, "enable_thinking": False}
    yield "odd", {"messages": chat[1:], "add_generation_prompt": True}
    yield "none", {"messages": [], "add_generation_prompt": True}


def outcome(environment, source, values):
    try:
        return {"text": environment.from_string(source).render(**values)}
    except jinja_reference.Refused as error:
        return {"raised": str(error)}
    except Exception as error:
        return {"fails": type(error).__name__}


def cases(environment):
    for expression in EXPRESSIONS:
        yield {"template": "{{ " + expression + " }}"}
    for template in TEMPLATES:
        # The lines above write line ends as \n, \r and \t; a backslash inside a tag's string is not touched.
        for letter, character in (("n", "\n"), ("r", "\r"), ("t", "\t")):
            template = template.replace("\\" + letter, character)
        yield {"template": template}


def main():
    folder = pathlib.Path(sys.argv[1])
    environment = jinja_reference.environment()
    golden = [{**case, **outcome(environment, case["template"], VALUES)} for case in cases(environment)]
    write(folder / "cases.json", {"values": VALUES, "cases": golden})
    renderings = []
    for path in sorted((folder / "families").glob("*.jinja")):
        for name, values in conversations():
            context = {"tools": None, "bos_token": "<s>", "eos_token": "</s>", **values}
            result = outcome(environment, path.read_text(encoding="utf-8"), context)
            renderings.append({"family": path.name, "conversation": name, **result})
    requests = [{"name": name, "context": {"tools": None, "bos_token": "<s>", "eos_token": "</s>", **values}} for name, values in conversations()]
    write(folder / "families.json", {"conversations": requests, "renderings": renderings})
    fails = sum("text" not in case for case in golden)
    print(f"{len(golden)} cases, {fails} of them fail; {len(renderings)} renderings of families")


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
