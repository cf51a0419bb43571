"""`KedroProjectComponent`: what stands in `defs.yaml`, and what comes of it."""

import re
import subprocess
import sys
import warnings

import dagster as dg
import msgspec
import pytest
from dagster.components.testing import create_defs_folder_sandbox
from dagster_kedro import KedroProjectComponent, KedroSubprocessClient
from kedro_manifest.codec import write_manifest
from kedro_manifest.model import Parameter

EVERYTHING = {"clean", "europe/model", "asia/model", "report"}
SEEN = []
"""The resources that steps of `Watched` were given."""


class Watched(KedroProjectComponent):
    """A subclass as a user writes one."""

    def get_asset_spec(self, asset):
        """Name an owner."""
        spec = super().get_asset_spec(asset)
        return spec.replace_attributes(owners=["team:shop"], group_name="by_class")

    def execute(self, context, kedro):
        """Make everything without any worker."""
        SEEN.append(kedro)
        for key in sorted(context.selected_asset_keys):
            yield dg.MaterializeResult(key)


@pytest.fixture
def shop(tmp_path, manifest, node):
    """A folder with a Kedro project as it is deployed: exported, without its environment."""
    folder = tmp_path / "shop"
    described = manifest(
        node("clean", ["raw"], ["clean"], tags=["daily"]),
        node("europe.fit", ["clean"], ["europe.model"], namespace="europe", tags=["weekly"]),
        node("asia.fit", ["clean"], ["asia.model"], namespace="asia", tags=["weekly", "slow"]),
        node("report", ["europe.model", "asia.model"], [], tags=["daily"]),
        pipelines={
            "__default__": ["clean", "europe.fit", "asia.fit", "report"],
            "training": ["europe.fit", "asia.fit"],
        },
        parameters=[Parameter(name="depth", type="integer", value=3)],
    )
    orchestration = {"clients": {"big-machine": {"type": "subprocess"}}}
    described = msgspec.structs.replace(described, orchestration=orchestration)
    write_manifest(described, folder / "manifest.json")
    (folder / "pyproject.toml").write_text('[tool.kedro]\npackage_name = "shop"\n')
    return folder


@pytest.fixture
def load(shop):
    """Load a `defs.yaml` with some attributes, out of a real `defs` folder."""
    with create_defs_folder_sandbox() as sandbox:

        def loaded(component=KedroProjectComponent, **attributes):
            path = sandbox.scaffold_component(
                KedroProjectComponent,
                scaffold_params={"project_path": str(shop)},
                defs_yaml_contents={
                    "type": f"{component.__module__}.{component.__name__}",
                    "attributes": {"project": str(shop), **attributes},
                },
            )
            with sandbox.load_component_and_build_defs(path) as (made, definitions):
                loaded.component = made
                return definitions

        yield loaded


@pytest.fixture
def watched(load, monkeypatch):
    """Load with the subclass `Watched`."""
    monkeypatch.setitem(sys.modules, "shop_components", sys.modules[Watched.__module__])
    monkeypatch.setattr(Watched, "__module__", "shop_components")
    SEEN.clear()
    return lambda **attributes: load(Watched, **attributes)


def keys(specs):
    return {spec.key.to_user_string() for spec in specs}


def made(definitions):
    graph = definitions.resolve_asset_graph()
    return {key.to_user_string() for key in graph.materializable_asset_keys}


def spec_of(definitions, key):
    return definitions.resolve_asset_graph().get(dg.AssetKey.from_user_string(key)).to_asset_spec()


def multi_assets(definitions):
    made = [each for each in definitions.assets if isinstance(each, dg.AssetsDefinition)]
    return [each for each in made if each.is_materializable]


def reasons(raised):
    """An error with all that caused it."""
    error, found = raised.value, []
    while error is not None:
        found.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(found)


def test_a_path_is_enough(load):
    """Assets, external assets, jobs and the typed resource are there, as of `build_definitions`."""
    definitions = load()

    assert EVERYTHING == made(definitions)
    assert EVERYTHING | {"raw"} == keys(definitions.resolve_all_asset_specs())
    assert definitions.resolve_job_def("training")
    with pytest.raises(dg.DagsterInvalidConfigError, match='unexpected config entry "dept"'):
        definitions.resolve_job_def("training").execute_in_process(
            run_config={"resources": {"kedro": {"config": {"parameters": {"dept": 4}}}}}
        )


def test_a_project_as_a_mapping(load, shop):
    """Key prefix and environment count; further paths are taken from the project's folder."""
    (shop / "build").mkdir()
    (shop / "manifest.json").rename(shop / "build/shop.json")
    definitions = load(
        project={
            "project_dir": str(shop),
            "manifest_path": "build/shop.json",
            "python": "venv/bin/python",
            "env": "prod",
            "key_prefix": ["eu", "shop"],
        }
    )

    assert {f"eu/shop/{key}" for key in EVERYTHING} == made(definitions)
    project = load.component.project
    assert (shop / "venv/bin/python", "prod") == (project.python, project.env)


def test_a_path_beside_the_file(load):
    """A relative path is taken from the folder of `defs.yaml`, as with other components."""
    with pytest.raises(Exception, match="Error while") as raised:
        load(project="../no-such-shop")

    said = reasons(raised)
    assert "attribute `project` names" in said
    assert "defs/no-such-shop" in said


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"select": "training"}, {"europe/model", "asia/model"}),
        ({"select": {"tags": ["daily"]}}, {"clean", "report"}),
        ({"select": {"pipeline_name": "training", "tags": ["slow"]}}, {"asia/model"}),
        ({"select": {"from_nodes": ["asia.fit"]}}, {"asia/model", "report"}),
        ({"select": {"node_namespaces": ["{{ 'eu' ~ 'rope' }}"]}}, {"europe/model"}),
        ({"exclude": "training"}, {"clean", "report"}),
        ({"select": "training", "exclude": {"tags": ["slow"]}}, {"europe/model"}),
        ({"select": "{{ {'tags': ['slow']} }}"}, {"asia/model"}),
    ],
)
def test_selection(load, attributes, expected):
    """`select` and `exclude` take a pipeline or the filters of `kedro run`; so do the jobs."""
    definitions = load(**attributes)

    assert expected == made(definitions)
    jobs = [job for job in definitions.resolve_all_job_defs() if job.name != "__ASSET_JOB"]
    selected = set().union(*(job.asset_layer.selected_asset_keys for job in jobs))
    assert expected == {key.to_user_string() for key in selected}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"select": "trainig"}, "Cannot use `select`: .*pipeline 'trainig'.*'training'"),
        ({"exclude": {"tags": ["dialy"]}}, "Cannot use `exclude`: .*tag 'dialy'.*'daily'"),
        ({"select": "training", "exclude": "training"}, "leave no node"),
        ({"client": "big"}, "attribute `client`.*no client 'big'.*big-machine"),
        ({"select": {"tag": ["daily"]}}, r"select[\s\S]*tag"),
        ({"select": "{{ {'tag': ['daily']} }}"}, "attribute `select`.*unknown field `tag`"),
        ({"sleect": "training"}, "sleect"),
        ({"project": {"project_dir": ".", "pyhton": "x"}}, r"project[\s\S]*pyhton"),
        ({"op": {"retries": 2}}, "retries"),
        (
            {"step_per": "node"},
            r"attribute `step_per`.*'selection'.*'pipeline'.*'group'.*got 'node'",
        ),
        ({"external_assets": "perhaps"}, r"attribute `external_assets`.*True or False"),
        ({"translation": {"group": "x"}}, r"translation[\s\S]*group"),
    ],
)
def test_wrong_attributes(load, attributes, said):
    """What is not there is refused; the message names the attribute and what may stand there."""
    with pytest.raises(Exception, match=r"\S") as raised:
        load(**attributes).resolve_all_asset_specs()

    assert re.search(said, reasons(raised)), reasons(raised)


def test_translation(load):
    """Templates see the asset, its node and its dataset; an input has no node."""
    definitions = load(
        translation={
            "key": "shop/{{ asset.name | replace('.', '/') }}",
            "group_name": "{{ node.namespace or 'base' if node else 'inputs' }}",
            "owners": ["team:{{ 'slow' if node and 'slow' in node.tags else 'fast' }}"],
            "tags": {"function": "{{ node.name if node else 'none' }}"},
            "description": "{{ dataset.type if dataset else 'nothing' }}, was {{ spec.key.path[-1] }}",
            "metadata": {"stage": "raw"},
        }
    )

    asia, raw = spec_of(definitions, "shop/asia/model"), spec_of(definitions, "shop/raw")
    assert ("asia", "inputs") == (asia.group_name, raw.group_name)
    assert (["team:slow"], ["team:fast"]) == (asia.owners, raw.owners)
    assert ("asia.fit", "none") == (asia.tags["function"], raw.tags["function"])
    assert ("pandas.CSVDataset, was model", "raw") == (asia.description, asia.metadata["stage"])
    assert "asia.model" == asia.metadata["kedro/dataset"]
    assert {"shop/clean"} == {dep.asset_key.to_user_string() for dep in asia.deps}
    assert "nothing, was report" == spec_of(definitions, "shop/report").description


def test_post_processing_of_dagster(shop):
    """`post_processing`, which Dagster gives to every component, reaches our assets."""
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            KedroProjectComponent,
            scaffold_params={"project_path": str(shop)},
            defs_yaml_contents={
                "type": "dagster_kedro.KedroProjectComponent",
                "attributes": {"project": str(shop)},
                "post_processing": {
                    "assets": [{"target": "tag:daily", "attributes": {"owners": ["team:daily"]}}]
                },
            },
        )
        with sandbox.load_component_and_build_defs(path) as (_, definitions):
            owned = {
                spec.key.to_user_string()
                for spec in definitions.resolve_all_asset_specs()
                if spec.owners
            }

    assert {"clean", "report"} == owned


def test_settings_of_the_op(load):
    """Name, tags, pool, description and retry policy are those of the op."""
    settings = {
        "name": "my_op",
        "pool": "warehouse",
        "description": "All of the shop.",
        "tags": {"team": "shop"},
        "retry_policy": {"max_retries": 2, "delay": 30, "backoff": "exponential"},
    }
    (assets,) = multi_assets(load(op=settings))

    op = assets.op
    assert ("my_op", "warehouse", "All of the shop.") == (op.name, op.pool, op.description)
    assert "shop" == op.tags["team"]
    assert dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL) == (
        op.retry_policy
    )


def test_backfill_policy(load):
    """A backfill policy, as other components take it, is that of the assets."""
    (assets,) = multi_assets(load(op={"backfill_policy": {"type": "single_run"}}))

    assert dg.BackfillPolicy.single_run() == assets.backfill_policy


def test_a_step_for_each_group(load):
    """`step_per: group` makes an op of each group, named after the given name."""
    definitions = load(step_per="group", op={"name": "my_op"})

    assert {
        "my_op_clean",
        "my_op_report",
        *(f"my_op_{region}U_2e_Ufit" for region in ("asia", "europe")),
    } == {each.op.name for each in multi_assets(definitions)}


def test_free_inputs_can_be_left_to_others(load):
    """`external_assets: false` defines no assets for what is only read."""
    graph = load(external_assets=False).resolve_asset_graph()

    assert "kedro/dataset" not in graph.get(dg.AssetKey("raw")).metadata


def test_subclass(watched):
    """`get_asset_spec` is overridden before the templates apply, and `execute` runs the step."""
    definitions = watched(translation={"group_name": "by_template"})
    result = definitions.resolve_job_def("training").execute_in_process()

    spec = spec_of(definitions, "clean")
    assert (["team:shop"], "by_template") == (spec.owners, spec.group_name)
    assert result.success
    assert 1 == len(SEEN)


def test_settings_of_the_run(watched):
    """Client, parameters and number of workers reach the step; the Launchpad's win."""
    definitions = watched(client="big-machine", max_concurrent=3, parameters={"depth": 8, "x": 1})
    job = definitions.resolve_job_def("training")
    job.execute_in_process()
    job.execute_in_process(
        run_config={"resources": {"kedro": {"config": {"parameters": {"depth": 9}}}}}
    )

    first, second = SEEN
    assert ("big-machine", 3) == (first.client_name, first.max_concurrent)
    assert ({"depth": 8, "x": 1}, {"depth": 9, "x": 1}) == (first.parameters, second.parameters)
    assert isinstance(first.client, KedroSubprocessClient)


def test_two_components_of_one_project(shop):
    """Two of them, with different parts of one project, load together."""
    with create_defs_folder_sandbox() as sandbox:
        for part in ("select", "exclude"):
            sandbox.scaffold_component(
                KedroProjectComponent,
                scaffold_params={"project_path": str(shop)},
                defs_yaml_contents={
                    "type": "dagster_kedro.KedroProjectComponent",
                    "attributes": {"project": str(shop), part: "training"},
                },
            )
        with warnings.catch_warnings():
            # Dagster warns of two components that share a state.
            warnings.filterwarnings("error", message=".*defs state key")
            with sandbox.build_all_defs() as definitions:
                pass

    assert EVERYTHING == made(definitions)


def test_state_is_the_manifest_of_somebody_else(load, shop, tmp_path):
    """Without an interpreter the manifest that lies in the project becomes the state."""
    load()
    load.component.write_state_to_path(tmp_path / "state")

    assert (shop / "manifest.json").read_bytes() == (tmp_path / "state").read_bytes()


def test_no_manifest(load, shop, tmp_path):
    """With neither interpreter nor manifest the message says what to set and what to run."""
    load()
    (shop / "manifest.json").unlink()
    with pytest.raises(Exception, match="Error while") as raised:
        load()

    assert "Name the interpreter of the project's environment as `project.python`" in (
        reasons(raised)
    )
    with pytest.raises(Exception, match=r"it has no `.venv`.*dg utils refresh-defs-state"):
        load.component.write_state_to_path(tmp_path / "state")


def test_a_wrong_interpreter(load, shop, tmp_path):
    """An interpreter that is not there is named, with what should be."""
    load(project={"project_dir": str(shop), "python": "no/such/python"})

    with pytest.raises(Exception, match=r"with '.*no/such/python'.*Pass `python="):
        load.component.write_state_to_path(tmp_path / "state")


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({}, "shop"),
        ({"project": {"env": "prod"}}, "shop.env-prod"),
        ({"project": {"key_prefix": "eu"}}, "eu/shop"),
        ({"select": "training"}, "shop.training"),
    ],
)
def test_key_of_the_state(load, shop, attributes, key):
    """Two components have two states; a key of one's own wins."""
    project = {"project_dir": str(shop), **attributes.get("project", {})}
    load(**{**attributes, "project": project})
    assert f"KedroProjectComponent[{key}]" == load.component.defs_state_config.key

    load(project=project, defs_state={"key": "mine", "management_type": "LOCAL_FILESYSTEM"})
    assert "mine" == load.component.defs_state_config.key


def test_imports_without_the_extras():
    """A registry module that fails to import would break `dg list components` for everybody."""
    extras = ("docker", "kubernetes", "dagster_docker", "dagster_k8s", "dagster_dg_cli")
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in extras)
    program = f"import sys; {hidden}import dagster_kedro; dagster_kedro.KedroProjectComponent"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "" == done.stderr
