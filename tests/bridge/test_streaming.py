import threading
import time

import dagster as dg


def test_results_are_live(copy_of, run_job, tmp_path):
    """The first materialization is stored while the last node is still running.

    That node waits for a file which is written only once the event is in Dagster's storage; it
    fails if the file never comes.
    """
    folder = copy_of("relay")
    (folder / "data").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:

        def signal_first_result():
            deadline = time.monotonic() + 60
            wanted = dg.AssetKey("early")
            while time.monotonic() < deadline:
                if instance.get_latest_materialization_event(wanted) is not None:
                    (folder / "data/go").touch()
                    return
                time.sleep(0.05)

        watcher = threading.Thread(target=signal_first_result)
        watcher.start()
        run = run_job(folder, "streaming", instance=instance)
        watcher.join()

    assert run.success, run.errors
    assert run.materialized == ["early", "late"]
