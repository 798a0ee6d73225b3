"""One page of the site without Quarto: a notebook as nbdev prepares it for Quarto, through pandoc, which is what Quarto
reads with, and with what Quarto adds: numbers of figures, cross-references, folded code, links to pages."""
import base64, html, re, shutil, subprocess
from pathlib import Path
import nbformat
import yaml
from autorad_lung.pages.references import numbers, options, page_name, spoken

ABSENT = 'pandoc is not here: pip install pypandoc_binary (it is in the dev extra)'

def pandoc() -> str | None:
    "The pandoc of the wheel pypandoc_binary; None where it is not installed."
    try: import pypandoc
    except ImportError: return None
    found = Path(pypandoc.__file__).parent/'files'/'pandoc'
    return str(found) if found.is_file() else shutil.which(str(found) + '.exe')

def through_pandoc(text: str, bib: Path) -> tuple[str, list[str]]:
    "Markdown, as Quarto reads it -> HTML, and what pandoc warns of."
    command = [pandoc(), '-f', 'markdown', '-t', 'html5', '--wrap=none', '--mathml', '--syntax-highlighting=none',
               '--citeproc', f'--bibliography={bib}', '-M', 'link-citations=true']
    r = subprocess.run(command, input=text, capture_output=True, text=True, encoding='utf-8', check=True)
    return r.stdout, [line for line in r.stderr.splitlines() if line]

def highlighted(source: str, language: str = 'python') -> str:
    from pygments import formatters, highlight, lexers
    lexer = lexers.get_lexer_by_name(language)
    return highlight(source, lexer, formatters.HtmlFormatter(nowrap=True)).strip('\n')

def plain(text: str) -> str: return html.unescape(re.sub(r'<[^>]+>', '', text))

CAPTION = r'<div class="figcaption">\s*<p>(.*?)</p>\s*</div>'
FENCED = r'<pre\s+class="(python|sh|yaml|bash|toml)"><code>(.*?)</code></pre>'

class Page:
    "One page. What is no Markdown is kept aside, and put in where pandoc has left a mark for it."
    def __init__(self, path: Path):
        self.nb, self.kept, self.fold = nbformat.read(path, 4), [], 'show'
        self.numbers, front = numbers(self.nb), {}
        for c in self.nb.cells:
            if c.cell_type == 'raw': front |= yaml.safe_load(c.source.strip().strip('-')) or {}
        self.fold = front.get('code-fold', self.fold)
        self.title, self.description = (re.sub('[`*]', '', front.get(k, '')) for k in ('title', 'description'))
        self.toc, self.warnings = [], []

    def keep(self, made: str) -> str:
        self.kept.append(made)
        return f'\n\nxKEPT{len(self.kept) - 1}x\n\n'

    def marked(self, text: str) -> str:
        "Markdown with the numbers of figures and the names of pages; citations are pandoc's."
        def figure(label):
            return f'[{self.numbers[label].replace(" ", chr(160))}](#{label})' if label in self.numbers else f'@{label}'
        def numbered(m): return f'![{self.numbers[m[3]]}: {m[1]}]({m[2]}){{#{m[3]}}}'
        text = spoken(text, figure, lambda keys, inside: keys if inside else f'[{keys}]', page_name)
        return re.sub(r'!\[([^\]]*)\]\(([^)\s]+)\)\{#(fig-[\w-]+)[^}]*\}', numbered, text)

    def output(self, o, alt: str) -> str:
        "One output of a cell: the richest form that there is."
        from nbconvert.filters.ansi import strip_ansi
        said = lambda text: self.keep(f'<pre class="said">{html.escape(strip_ansi(text))}</pre>')
        if o.output_type == 'stream': return said(o.text)
        if o.output_type == 'error': return said('\n'.join(o.traceback))
        d = o.data
        if 'text/html' in d:
            table = re.sub(r'<style scoped>.*?</style>', '', d['text/html'], flags=re.S)
            return self.keep(f'<div class="wide">{table}</div>')
        if 'text/markdown' in d: return f'\n\n{self.marked(d["text/markdown"])}\n\n'
        if 'image/svg+xml' in d: return self.keep(d['image/svg+xml'])
        width = o.metadata.get('image/png', {}).get('width')
        how = f'alt="{html.escape(alt)}"' + (f' width={width}' if width else '')
        if 'image/png' in d: return self.keep(f'<img src="data:image/png;base64,{d["image/png"].strip()}" {how}>')
        return said(d.get('text/plain', ''))

    def figure(self, label: str, inside: str, caption: str) -> str:
        "With its number and caption, above a table and below a picture."
        said = f'\n\n::: figcaption\n{self.numbers[label]}: {self.marked(caption)}\n:::\n\n'
        parts = [said, inside] if label.startswith('tbl') else [inside, said]
        return self.keep(f'<figure id="{label}">') + ''.join(parts) + self.keep('</figure>')

    def code(self, cell) -> str:
        "The source, folded as it says, and what it gave, as a figure where it has a label."
        option, source = options(cell.source)
        label, caption = option.get('label', ''), option.get('fig-cap') or option.get('tbl-cap') or ''
        alt = caption or f'Figure made by the code above, of the page {self.title}'
        out = ''.join(self.output(o, alt) for o in cell.outputs) if option.get('output', True) else ''
        if label in self.numbers: out = self.figure(label, out, caption)
        if not (source.strip() and option.get('echo', True)): return out
        opened, summary = option.get('code-fold', self.fold) is not True, option.get('code-summary', 'Code')
        kind = ' export' * (summary == 'Exported source')
        return self.keep(f'<details class="fold{kind}"{" open" * opened}><summary>{summary}</summary><pre class="code">'
                         f'<code>{highlighted(source.strip(chr(10)))}</code></pre></details>') + out

    def markdown(self) -> str:
        "All cells, as one text for pandoc."
        cells = (c for c in self.nb.cells if c.cell_type != 'raw')
        return '\n\n'.join(self.code(c) if c.cell_type == 'code' else self.marked(c.source) for c in cells)

    def body(self, bib: Path) -> str:
        "The page in HTML, without the frame of the site."
        made, self.warnings = through_pandoc(self.markdown(), bib)
        caption, code = (re.compile(r, re.S) for r in (CAPTION, FENCED))
        made = code.sub(self._fenced, caption.sub(r'<figcaption>\1</figcaption>', made))
        made = re.sub(r'<p>xKEPT(\d+)x</p>', lambda m: self.kept[int(m[1])], made)
        made = made.replace('<div id="refs"', '<h2 id="references">References</h2>\n<div id="refs"')
        self.toc = [(m[1], plain(m[2])) for m in re.finditer(r'<h2[^>]* id="([^"]+)"[^>]*>(.*?)</h2>', made, re.S)]
        lead = f'<p class="lead">{html.escape(self.description)}</p>' if self.description else ''
        return f'<h1>{html.escape(self.title)}</h1>\n{lead}\n{made}'

    def _fenced(self, m) -> str:
        return f'<pre class="{m[1]}"><code>{highlighted(html.unescape(m[2]), m[1])}</code></pre>'
