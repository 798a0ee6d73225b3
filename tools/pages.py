"One page of the site without Quarto: a notebook's cells by nbconvert's filters, with what Quarto would add: figure numbers, cross-references, citations, formulas."
import html, re
from functools import lru_cache
from pathlib import Path

def heading(nb) -> tuple[str, str]:
    "Title, and the line that follows it as a quotation."
    m = re.search(r'^# (.+?)\s*$(?:\s*^> (.+?)\s*$)?', '\n'.join(c.source for c in nb.cells if c.cell_type == 'markdown'), re.M)
    return re.sub('[`*]', '', m[1]), re.sub('[`*]', '', m[2] or '')

def bibliography(path: Path) -> dict[str, dict]:
    "Key -> fields of a .bib file of our own form: one field a line, its value in braces."
    found = {}
    for key, body in re.findall(r'^@\w+\{([\w:-]+),\n(.*?)^\}', path.read_text(encoding='utf-8'), re.M | re.S):
        f = found[key] = dict(re.findall(r'^\s*(\w+)\s*=\s*\{(.*)\},?$', body, re.M))
        f['authors'] = [re.sub('[{}]', '', a).strip() for a in re.split(r'\s+and\s+', f['author'])]
        names = [a.split(',')[0] for a in f['authors'] if a != 'others']
        f['short'] = f'{names[0]} et al.' if len(f['authors']) > 3 or 'others' in f['authors'] else ', '.join(names[:-1]) + ' and ' * (len(names) > 1) + names[-1]
        f.update({k: re.sub(r'[{}]', '', v) for k, v in f.items() if isinstance(v, str)})
        f['list'] = '; '.join(a for a in f['authors'] if a != 'others') + ', et al.' * ('others' in f['authors'])
        f['link'] = f'https://doi.org/{f["doi"]}' if 'doi' in f else f'https://arxiv.org/abs/{f["eprint"]}' if 'eprint' in f else f.get('url', '')
        f['where'] = ', '.join(filter(None, [f.get('journal') or f.get('booktitle'), f.get('volume'), f.get('pages'), f'arXiv {f["eprint"]}' if 'eprint' in f else ''])) + '.'
    return found

@lru_cache(None)
def formula(tex: str, display: bool = False) -> str:
    "A formula as a drawing (matplotlib's mathtext), so that no page asks a server for a script."
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser
    from matplotlib.textpath import TextPath
    size, text = 20, f'${" ".join(tex.split())}$'
    try: w, h, d, *_ = MathTextParser('path').parse(text, 72, FontProperties(size=size))
    except ValueError: return f'<code>{html.escape(tex)}</code>'
    drawn = ''.join('MLQC'[c - 1] + ' '.join(f'{x:.1f}' for x in v) if c != 79 else 'Z' for v, c in TextPath((0, 0), text, size=size).iter_segments(simplify=False))
    return (f'<svg class="math{" display" * display}" role="img" aria-label="{html.escape(tex)}" viewBox="0 {d - h:g} {w:g} {h:g}" style="width:{w / size:.2f}em;height:{h / size:.2f}em;'
            f'vertical-align:{-d / size:.2f}em"><path transform="scale(1,-1)" d="{drawn}"/></svg>')

SPECIAL = re.compile(r'(?P<code>(?P<tick>`+)(?!`).*?(?<!`)(?P=tick)(?!`))|\$\$(?P<display>.+?)\$\$|\$(?=\S)(?P<math>[^$`]+?)(?<=\S)\$(?!\d)'
                     r'|!\[(?P<cap>[^\]]*)\]\((?P<src>[^)\s]+)\)\{#(?P<id>fig-[\w-]+)[^}]*\}|\[(?P<cites>@[^\]]+)\]|(?<![\w/@.])@(?P<ref>[a-z][\w-]*)', re.S)

class Page:
    "One page: its labels are numbered first, then its cells are written; what was cited is kept for the list at its foot."
    def __init__(self, name: str, nb, bib: dict):
        self.name, self.nb, self.bib, self.cited, self.toc, self.numbers = name, nb, bib, [], [], {}
        for label, kind in re.findall(r'(?:^#\| *label: *|\{#)((fig|tbl)-[\w-]+)', '\n'.join(c.source for c in nb.cells), re.M):
            self.numbers[label] = f'{"Figure" if kind == "fig" else "Table"} {1 + sum(l.startswith(kind) for l in self.numbers)}'
        self.module = next((m[1] for c in nb.cells if (m := re.search(r'^#\| *default_exp (\S+)', c.source, re.M))), None)
        self.title, self.description = heading(nb)

    def cite(self, keys: str, narrative: bool = False) -> str:
        "Author and year, as a link to the list at the foot; `?@key` where there is none, as Quarto writes it."
        said = []
        for key, more in re.findall(r'@([\w:-]+)([^;]*)', keys):
            if key not in self.bib: return f'?@{key}'
            if key not in self.cited: self.cited.append(key)
            f = self.bib[key]; said.append(f'<a href="#ref-{key}">{f["short"]} ({f["year"]}{more})</a>' if narrative else f'<a href="#ref-{key}">{f["short"]} {f["year"]}{html.escape(more.rstrip())}</a>')
        return said[0] if narrative else f'({"; ".join(said)})'

    def _special(self, m) -> str:
        if m['display'] or m['math']: return formula(m['display'] or m['math'], bool(m['display']))
        if m['cites']: return self.cite(m['cites'])
        if m['id']: return self.figure(m['id'], f'<img src="{m["src"]}" alt="{html.escape(m["cap"])}">', m['cap'])
        if m['ref'] in self.numbers: return f'<a href="#{m["ref"]}">{self.numbers[m["ref"]].replace(" ", "&nbsp;")}</a>'
        return f'?@{m["ref"]}' if re.match(r'(fig|tbl)-', m['ref']) else self.cite('@' + m['ref'], True) if m['ref'] in self.bib else m[0]

    def markdown(self, text: str) -> str:
        from nbconvert.filters.markdown_mistune import markdown2html_mistune
        kept = []
        def keep(m): return m[0] if m['code'] else (kept.append(self._special(m)), f'xKEPT{len(kept) - 1}x')[1]
        made = re.sub(r'<a class="anchor-link"[^>]*>.*?</a>', '', markdown2html_mistune(SPECIAL.sub(keep, text)))
        made = re.sub(r'xKEPT(\d+)x', lambda m: kept[int(m[1])], made)
        return re.sub(r'<h([1-4])[^>]*>(.*?)</h\1>', self._heading, made)

    def _heading(self, m) -> str:
        plain = html.unescape(re.sub(r'<[^>]+>', '', m[2])); slug = re.sub(r'[^\w\s.-]', '', plain).strip().lower().replace(' ', '-')
        if m[1] == '2': self.toc.append((slug, plain))
        return f'<h{m[1]} id="{slug}">{m[2]}</h{m[1]}>'

    def inline(self, text: str) -> str: return re.sub(r'^<p>|</p>$', '', self.markdown(text).strip())

    def figure(self, label: str, inside: str, caption: str) -> str:
        said = f'<figcaption>{self.numbers[label]}: {self.inline(caption)}</figcaption>'
        return f'<figure id="{label}">{said + inside if label.startswith("tbl") else inside + said}</figure>'

    def output(self, o, alt: str) -> str:
        from nbconvert.filters.ansi import strip_ansi
        if o.output_type == 'stream': return f'<pre class="said">{html.escape(strip_ansi(o.text))}</pre>'
        if o.output_type == 'error': return f'<pre class="said">{html.escape(strip_ansi(o.evalue))}</pre>'
        d = o.data
        if 'text/html' in d: return f'<div class="wide">{re.sub(r"<style scoped>.*?</style>", "", d["text/html"], flags=re.S)}</div>'
        if 'text/markdown' in d: return self.markdown(d['text/markdown'])
        if 'image/svg+xml' in d: return d['image/svg+xml']
        width = o.metadata.get('image/png', {}).get('width')
        if 'image/png' in d: return f'<img src="data:image/png;base64,{d["image/png"].strip()}" alt="{html.escape(alt)}"{f" width={width}" if width else ""}>'
        return f'<pre class="said">{html.escape(strip_ansi(d.get("text/plain", "")))}</pre>'

    def code(self, cell) -> str:
        "The source, folded on pages that are no module, and what it gave, as a figure where it has a label."
        import yaml
        lines = cell.source.split('\n'); marks = [m for l in lines if l.startswith('#|') and (m := l[2:].strip())]
        if any(m.split()[0].rstrip(':') in ('hide', 'default_exp') for m in marks): return ''
        option = {k: v for m in marks if re.match(r'[\w-]+:', m) for k, v in (yaml.safe_load(m) or {}).items()}
        source = highlighted('\n'.join(l for l in lines if not l.startswith('#|')).strip('\n'))
        block = f'<pre class="code{" export" * any(re.match(r"exporti?s?$", m) for m in marks)}"><code>{source}</code></pre>'
        if option.get('code-fold', not self.module) is True: block = f'<details class="fold"><summary>Code</summary>{block}</details>'
        label, caption = option.get('label', ''), option.get('fig-cap') or option.get('tbl-cap') or ''
        out = ''.join(self.output(o, caption or f'Figure made by the code above, of the page {self.title}') for o in cell.outputs) if option.get('output', True) else ''
        if label in self.numbers: out = self.figure(label, out, caption)
        return (block if option.get('echo', True) and source else '') + (f'<div class="out">{out}</div>' if out else '')

    def body(self) -> str:
        cells = [self.code(c) if c.cell_type == 'code' else self.markdown(c.source) for c in self.nb.cells if c.cell_type != 'raw']
        about = f'<p class="module">Module <code>autorad_lung.{self.module}</code>. <i></i>Cells with this edge are the module; the others prove it.</p>' if self.module else ''
        return re.sub(r'(</h1>\s*)<blockquote>\s*<p>(.*?)</p>\s*</blockquote>', lambda m: f'{m[1]}<p class="lead">{m[2]}</p>{about}', FOLDS.sub('\n\n', '\n'.join(c for c in cells if c)), count=1, flags=re.S)

FOLDS = re.compile(r'</code></pre></details>\s*<details class="fold"><summary>Code</summary><pre class="code"><code>')   # neighbours, unfolded at once

def highlighted(source: str) -> str:
    from pygments import highlight, formatters, lexers
    return highlight(source, lexers.PythonLexer(), formatters.HtmlFormatter(nowrap=True)).strip('\n')
