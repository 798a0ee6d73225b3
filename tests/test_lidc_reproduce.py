"From a DICOM tree of 40 scans to the report, by the command line, with one scan that cannot be used."
import os
import pandas as pd
import pytest
from conftest import autorad
from lidc_tree import choose_scans, rows_of, scan_folder, write_scan
from test_lidc import store
from autorad_lung.marks import scan_record

@pytest.mark.slow
def test_forty_scans_from_dicom_to_the_report(store, tmp_path):
    ids = choose_scans(40, store)
    for i in ids: write_scan(tmp_path/'tree', i, store)
    next(scan_folder(tmp_path/'tree', ids[-1]).glob('*.dcm')).write_bytes(b'')
    out = tmp_path/'out'
    autorad('reproduce', '--source', 'lidc', '--data', tmp_path/'tree', '--quick', '--set', 'n_ctx=4', '--workers', '2', '--out', out)
    ledger = pd.read_csv(out/'ledger.csv', keep_default_na=False)
    assert sorted(ledger.nodule_id) == sorted(n for i in ids for n in rows_of(i, store).nodule_id)               # every nodule of every scan has its line
    bad = ledger[ledger.nodule_id.isin(rows_of(ids[-1], store).nodule_id)]
    assert not bad.included.any() and (bad.reason != '').all() and ledger.included.sum() >= 40
    page = (out/'report'/'index.html').read_text()
    assert 'Real CT (LIDC-IDRI' in page and 'Simulated CT' not in page
    assert scan_record(ids[-1]).patient_id in (out/'quarantine.csv').read_text() or not bad.reason.str.contains('quarantine').any()
    paper = autorad('reproduce', '--source', 'lidc', '--data', tmp_path/'tree', '--preset', 'paper', '--quick', '--workers', '2', '--out', out, check=False, env=os.environ | {'HF_HOME': str(tmp_path/'none')})
    assert paper.returncode == 2 and 'hf download apple/aimv2-large-patch14-224' in paper.stderr and 'hf download openai/clip-vit-base-patch16' in paper.stderr, paper.stderr
