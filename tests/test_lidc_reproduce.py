"From a DICOM tree of 40 scans to the report, by the command line; one scan cannot be used."
import os
import pandas as pd
import pytest
from conftest import autorad
from lidc_tree import choose_scans, rows_of, scan_folder, write_scan
from test_lidc import store
from autorad_lung.cohort.marks import scan_record

@pytest.mark.slow
def test_forty_scans_from_dicom_to_the_report(store, tmp_path):
    ids, tree, out = choose_scans(40, store), tmp_path/'tree', tmp_path/'out'
    for i in ids: write_scan(tree, i, store)
    next(scan_folder(tree, ids[-1]).glob('*.dcm')).write_bytes(b'')
    command = ['reproduce', '--source', 'lidc', '--data', tree, '--out', out]
    command += ['--quick', '--workers', '2']
    autorad(*command, '--set', 'n_ctx=4')
    ledger = pd.read_csv(out/'ledger.csv', keep_default_na=False)
    # every nodule of every scan has its line
    assert sorted(ledger.nodule_id) == sorted(n for i in ids for n in rows_of(i, store).nodule_id)
    bad = ledger[ledger.nodule_id.isin(rows_of(ids[-1], store).nodule_id)]
    assert not bad.included.any() and (bad.reason != '').all() and ledger.included.sum() >= 40
    page = (out/'report'/'index.html').read_text()
    assert 'Real CT (LIDC-IDRI' in page and 'Simulated CT' not in page
    quarantined = scan_record(ids[-1]).patient_id in (out/'quarantine.csv').read_text()
    assert quarantined or not bad.reason.str.contains('quarantine').any()
    no_weights = os.environ | {'HF_HOME': str(tmp_path/'none')}
    paper = autorad(*command, '--preset', 'paper', check=False, env=no_weights)
    assert paper.returncode == 2, paper.stderr
    for name in ('apple/aimv2-large-patch14-224', 'openai/clip-vit-base-patch16'):
        assert f'hf download {name}' in paper.stderr, paper.stderr
