"""Write codemeta.json, what catalogues of software read, from settings.ini and CITATION.cff: python tools/codemeta.py

An archive's identifiers are filled in in CITATION.cff; they come from there."""
import json
from configparser import ConfigParser
from pathlib import Path
import yaml

ROOT = Path(__file__).resolve().parent.parent
RESOLVERS = {'doi': 'https://doi.org/', 'swh': 'https://archive.softwareheritage.org/'}

def settings(root: Path = ROOT) -> dict:
    found = ConfigParser(delimiters=['='], interpolation=None)
    found.read(root/'settings.ini', encoding='utf-8')
    return dict(found['DEFAULT'])

def identifiers(citation: dict) -> list[str]:
    "DOI and SWHID of an archived version, as addresses; none until one is archived."
    return [RESOLVERS.get(i['type'], '') + i['value'] for i in citation.get('identifiers', [])]

def codemeta(s: dict, citation: dict) -> dict:
    "CodeMeta 3.0."
    repository, paper = s['git_url'], citation['preferred-citation']
    authors = [{'@type': 'Organization', 'name': a['name']} for a in citation['authors']]
    return {
        '@context': 'https://w3id.org/codemeta/3.0', '@type': 'SoftwareSourceCode', 'name': citation['title'],
        'identifier': identifiers(citation), 'description': citation['abstract'], 'version': s['version'],
        'license': f'https://spdx.org/licenses/{citation["license"]}', 'codeRepository': repository,
        'issueTracker': f'{repository}/issues', 'continuousIntegration': f'{repository}/actions',
        'readme': f'{repository}/blob/{s["branch"]}/README.md', 'url': s['doc_host'] + s['doc_baseurl'] + '/',
        'author': authors, 'keywords': citation['keywords'], 'developmentStatus': 'wip',
        'programmingLanguage': {'@type': 'ComputerLanguage', 'name': 'Python', 'version': f'>={s["min_python"]}'},
        'softwareRequirements': s['requirements'].split(), 'applicationCategory': 'Research software, medical imaging',
        'referencePublication': {'@type': 'ScholarlyArticle', 'name': paper['title'], 'url': paper['url']},
    }

def made(root: Path = ROOT) -> str:
    "The file, as it should be."
    citation = yaml.safe_load((root/'CITATION.cff').read_text(encoding='utf-8'))
    return json.dumps(codemeta(settings(root), citation), indent=2, ensure_ascii=False) + '\n'

if __name__ == '__main__': (ROOT/'codemeta.json').write_text(made(), encoding='utf-8')
