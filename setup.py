"Reads settings.ini: the one place that names requirements, version and entry points."
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

cfg = ConfigParser(delimiters=['='])
cfg.read(Path(__file__).parent/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']

HERE = Path(__file__).parent
BESIDE = {   # folder in a wheel -> what a clone keeps beside the package
    '_notebooks/paper': sorted((HERE/'nbs'/'paper').glob('*.ipynb')),
    '_notebooks': [HERE/'nbs'/'references.bib', HERE/'nbs'/'checklists.ipynb'],
    '_templates': sorted((HERE/'templates').glob('*.md')),
}

class BuildWithNotebooks(build_py):
    "The notebooks that `reproduce` runs go into a wheel; a clone has one copy, and an editable install uses that."
    def run(self):
        super().run()
        if self.editable_mode: return
        for folder, files in BESIDE.items():
            to = Path(self.build_lib)/'autorad_lung'/folder
            self.mkpath(str(to))
            for f in files: self.copy_file(str(f), str(to/f.name))

setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    long_description=(Path(__file__).parent/'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author=cfg['author'],
    license='Apache-2.0',
    keywords=cfg['keywords'],
    url=cfg['git_url'],
    packages=find_packages(include=['autorad_lung', 'autorad_lung.*']),
    package_data={'autorad_lung': ['recipes/*', 'pages/*.j2', 'cases/*.j2', 'use/model*/*', 'towers/shipped/*/*', 'published/*/*.csv', 'published/*/*.json']},
    cmdclass={'build_py': BuildWithNotebooks},
    python_requires='>=' + cfg['min_python'] + ',<3.14',
    install_requires=cfg['requirements'].split(),
    extras_require={
        'towers': cfg['towers_requirements'].split(),
        'dev': cfg['dev_requirements'].split(),
        'reference': cfg['reference_requirements'].split(),   # needs --no-build-isolation: tools/reference.py
        'lidc': cfg['lidc_requirements'].split(),
        'cluster': cfg['cluster_requirements'].split(),
        'dicom': cfg['dicom_requirements'].split(),           # Segmentation and Structured Report of a nodule
        'mcp': cfg['mcp_requirements'].split(),               # the package's verbs for an agent
        'excel': cfg['excel_requirements'].split(),           # tables as .xlsx
    },
    entry_points={
        'console_scripts': cfg['console_scripts'].split('\n'),
        'nbdev': [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"],
    },
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Science/Research', 'Programming Language :: Python :: 3'],
    zip_safe=False,
)
