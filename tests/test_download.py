"The download, as far as it can be tested without a network; the transfer itself is idc-index's."
import pytest
from autorad_lung.sources import download as dl
from autorad_lung.artifacts import CompanionError

def test_without_idc_index_the_remedy_is_named(monkeypatch):
    import builtins
    real = builtins.__import__
    def missing(name, *a, **k):
        if name.startswith('idc_index'): raise ModuleNotFoundError(name, name=name)
        return real(name, *a, **k)
    monkeypatch.setattr(builtins, '__import__', missing)
    dl.lidc_index.cache_clear(); dl._client.cache_clear()
    with pytest.raises(CompanionError, match=r"autorad-lung\[lidc\]"): dl.lidc_index()
    with pytest.raises(CompanionError, match=r"autorad-lung\[lidc\]"): dl.fetch(['1'], '.')
    monkeypatch.undo(); dl.lidc_index.cache_clear()

def test_without_network_the_error_says_so(tmp_path, monkeypatch):
    class Offline:
        def download_from_selection(self, **kw): pass    # idc-index logs a failed transfer and returns
    monkeypatch.setattr(dl, '_client', Offline)
    with pytest.raises(CompanionError, match='nothing came.*network'):
        dl.download(tmp_path, 1, quiet=True)

def test_a_small_disk_is_seen_before_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(dl.shutil, 'disk_usage', lambda p: type('U', (), dict(free=10**9))())
    def get(uids, to): pytest.fail('started')
    with pytest.raises(CompanionError, match='128.4 GB are needed and 1.0 GB are free'):
        dl.download(tmp_path, quiet=True, get=get)

@pytest.mark.slow
def test_idc_index_is_asked_for_pylidcs_folders(tmp_path, monkeypatch):
    "The real client, up to the command it would run."
    from idc_index import IDCClient
    ran = {}
    def note(self, manifest_file, **kw): ran.update(commands=manifest_file.read_text())
    monkeypatch.setattr(IDCClient, '_s5cmd_run', note)
    row = next(dl.choose(['LIDC-IDRI-0001']).itertuples())
    (tmp_path/'x').touch(); dl.fetch([row.series_uid], tmp_path)
    [command] = ran['commands'].split('\n')
    assert command.startswith('sync s3://') and str(dl.series_folder(tmp_path, row)) in command
