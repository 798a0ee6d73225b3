"""The tables of a finished run as published ones: python tools/publish.py RUN NAME [TABLE=NUMBER ...]

RUN is the folder that `autorad-lung reproduce` wrote to, NAME the folder to write in autorad_lung/published/:
phantom, or lidc_voi. TABLE=NUMBER (or all=NUMBER) is the largest difference that was seen between machines in a
table, such as table1=.003; it is kept from then on. Where none was given, not one printed digit may differ.
With --again in place of numbers nothing is published anew: it is noted that RUN, on another machine, made the same."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from autorad_lung.artifacts import CompanionError
from autorad_lung.published.verify import again, publish

def main(run: str, name: str, *seen: str) -> Path:
    "Write autorad_lung/published/NAME."
    to = ROOT/'autorad_lung'/'published'/name
    if seen == ('--again',): return again(Path(run), to)
    apart = {table: float(number) for table, _, number in (s.partition('=') for s in seen)}
    return publish(Path(run), to, apart)

if __name__ == '__main__':
    if len(sys.argv) < 3: sys.exit(__doc__)
    try: print(main(*sys.argv[1:]))
    except CompanionError as e: sys.exit(f'Error: {e}')
