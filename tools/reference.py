"""Install PyRadiomics 3.0.1, the reference of the radiomics, into the Python that runs this: python tools/reference.py

Its setup.py needs numpy and setuptools beside it, a C compiler, and two names that Python 3.12 took out of
configparser: they are lent for this one call of pip. Nothing here needs PyRadiomics; with it each run checks five
of its nodules."""
import os, subprocess, sys, tempfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LENT = '''import configparser
if not hasattr(configparser, 'SafeConfigParser'):
    class SafeConfigParser(configparser.ConfigParser):
        def readfp(self, lines): self.read_file(lines)
    configparser.SafeConfigParser = SafeConfigParser
'''

def requirement() -> str:
    "What the extra [reference] asks for."
    settings = ConfigParser(delimiters=['='])
    settings.read(ROOT/'settings.ini', encoding='utf-8')
    return settings['DEFAULT']['reference_requirements']

def pip(*words: str, **env: str) -> subprocess.CompletedProcess:
    quiet = ['--quiet', '--no-compile', '--disable-pip-version-check', '-c', str(ROOT/'constraints.txt')]
    command = [sys.executable, '-m', 'pip', 'install', *quiet, *words]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True)

def install() -> subprocess.CompletedProcess:
    "What it is built with, then PyRadiomics, with the lent names first on Python's path."
    if (done := pip('wheel', 'setuptools', 'numpy')).returncode: return done
    with tempfile.TemporaryDirectory() as d:
        (Path(d)/'sitecustomize.py').write_text(LENT)
        path = os.pathsep.join(filter(None, [d, os.environ.get('PYTHONPATH')]))
        return pip('--no-build-isolation', *requirement().split(), PYTHONPATH=path)

def cause(said: str) -> str:
    "The line of what pip said that tells most."
    lines = [x.strip() for x in said.splitlines() if 'error' in x.lower()]
    known = [x for x in lines if 'gcc' in x or 'command' in x or 'No module' in x or 'fatal' in x]
    return (known or lines or ['pip said nothing'])[0][:160]

def loads() -> bool:
    command = [sys.executable, '-c', 'import radiomics']
    return not subprocess.run(command, capture_output=True).returncode

if __name__ == '__main__':
    if loads(): sys.exit(0)
    done = install()
    if not done.returncode and loads(): sys.exit(0)
    print(f'PyRadiomics was not built here ({cause(done.stdout + done.stderr)}): all runs without it, but no run is '
          'checked against it.', file=sys.stderr)
    sys.exit(1)
