from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro_manifest.errors import (
    CyclicPipelineError,
    DuplicateNameError,
    GroupCycleError,
    UnknownNameError,
)
from kedro_manifest.model import Dataset, Manifest, Node, Pipeline, Project
from kedro_manifest.planning.graph import PipelineGraph, inputs_of, outputs_of
from kedro_manifest.planning.grouping import ExplicitGroup, GroupPolicy, label_nodes
from kedro_manifest.planning.plan import plan_groups
from kedro_manifest.planning.selection import needed_nodes


def graph_of(
    nodes: dict[str, tuple[list[str], list[str]]], *, memory=(), confirms=None, pipelines=None
):
    """A graph of `name: (inputs, outputs)`; datasets are files unless in `memory`."""
    names = {name for ends in nodes.values() for end in ends for name in end}
    manifest = Manifest(
        project=Project(name="p", package_name="p", kedro_version="1.7.0", python_version="3.11"),
        nodes=[
            Node(
                name=name,
                function="m:f",
                inputs=inputs,
                outputs=outputs,
                confirms=(confirms or {}).get(name, []),
            )
            for name, (inputs, outputs) in sorted(nodes.items())
        ],
        datasets=[
            Dataset(name=name, type="T", kind="memory" if name in memory else "file")
            for name in sorted(names)
        ],
        pipelines=[Pipeline(name=name, nodes=held) for name, held in (pipelines or {}).items()],
    )
    return PipelineGraph(manifest)


def groups_of(graph, nodes=None):
    return [group.nodes for group in plan_groups(graph, nodes or graph.nodes).groups]


DIAMOND = {
    "A": (["raw"], ["a", "kept"]),
    "B": (["a"], ["b"]),
    "C": (["kept", "b"], ["c"]),
}


def test_every_node_has_a_process_of_its_own_where_all_is_persisted():
    """Without in-memory data there is a group for each node, in topological order."""
    assert [["A"], ["B"], ["C"]] == groups_of(graph_of(DIAMOND))


def test_memory_joins_producer_and_consumers():
    """In-memory data cannot leave its process."""
    assert [["A", "B"], ["C"]] == groups_of(graph_of(DIAMOND, memory={"a"}))


def test_groups_are_convex():
    """A and C share memory and B lies between them: it has to come along, or the groups circle."""
    plan = plan_groups(graph_of(DIAMOND, memory={"kept"}), DIAMOND)

    assert ["A", "B", "C"] == plan.groups[0].nodes
    assert "A+2" == plan.groups[0].name
    assert ["kept"] == plan.groups[0].joined_by


def test_transcoded_edges_are_edges():
    """`x@pandas` written and `x@spark` read is one dataset, and so an order."""
    graph = graph_of({"B": (["x@spark"], ["y"]), "A": (["raw"], ["x@pandas"])})

    plan = plan_groups(graph, graph.nodes)

    assert [["A"], ["B"]] == [group.nodes for group in plan.groups]
    assert ["A"] == plan.groups[1].upstream


def test_loader_and_confirmer_stay_together():
    """A checkpoint confirmed elsewhere would cover partitions that nobody has read."""
    graph = graph_of(
        {"load": (["parts"], ["x"]), "confirm": (["x"], ["done"])}, confirms={"confirm": ["parts"]}
    )

    assert [["load", "confirm"]] == groups_of(graph)


def test_one_asset_needs_only_its_node_where_its_inputs_are_persisted():
    """A selection runs what it needs and no more."""
    assert {"C"} == needed_nodes(graph_of(DIAMOND), datasets=["c"])


def bound(graph, name):
    """The same graph, in which only the process that has saved a dataset can load it."""
    datasets = [
        msgspec.structs.replace(each, of_process=each.name == name)
        for each in graph.manifest.datasets
    ]
    return PipelineGraph(msgspec.structs.replace(graph.manifest, datasets=datasets))


def test_what_only_its_process_can_load_joins_producer_and_consumers():
    """A metric that is read from the active MLflow run cannot leave its process, staged or not."""
    graph = bound(graph_of(DIAMOND), "a")
    staging = GroupPolicy(memory_datasets="stage")

    assert [["A", "B"], ["C"]] == groups_of(graph)
    assert [["A", "B"], ["C"]] == [
        group.nodes for group in plan_groups(graph, graph.nodes, staging).groups
    ]


def test_what_only_its_process_can_load_is_made_again():
    """Who reads such a dataset runs with the node that saves it."""
    assert {"A", "B"} == needed_nodes(bound(graph_of(DIAMOND), "a"), datasets=["b"])


def test_one_asset_needs_what_makes_its_memory_inputs():
    """In-memory inputs have to be made again, back to the next persisted dataset."""
    assert {"B", "C"} == needed_nodes(graph_of(DIAMOND, memory={"b"}), datasets=["c"])


def test_nodes_can_be_asked_for_by_name():
    """A node without outputs is selected by its own name."""
    graph = graph_of({**DIAMOND, "D": (["c"], [])}, memory={"c"})

    assert {"C", "D"} == needed_nodes(graph, nodes=["D"])


CONFIRMED = {
    "take": (["parts"], ["x"]),
    "count": (["parts"], ["n"]),
    "sum": (["x"], ["y"]),
    "tell": (["y"], ["told"]),
}
PARTS_OF = {"__default__": list(CONFIRMED), "daily": ["take", "sum", "tell"], "told": ["tell"]}


@pytest.mark.parametrize(
    ("pipelines", "expected"),
    [
        ({}, {"take", "count", "tell"}),
        ({"__default__": list(CONFIRMED)}, {"take", "count", "tell"}),
        (PARTS_OF, {"take", "tell"}),
        ({"one": ["take", "tell"], "two": ["count", "tell"]}, {"take", "count", "tell"}),
    ],
)
def test_who_confirms_needs_who_loads(pipelines, expected):
    """Confirmed alone would be what nobody has read; a pipeline without a loader waives it."""
    graph = graph_of(CONFIRMED, confirms={"tell": ["parts"]}, pipelines=pipelines)

    assert expected == needed_nodes(graph, datasets=["told"])
    assert {"sum"} == needed_nodes(graph, datasets=["y"])


def test_who_confirms_what_it_loads_itself_needs_nobody():
    """Where others load it too, they are left to themselves only if a pipeline does without."""
    nodes = {"both": (["parts"], ["x"]), "other": (["parts"], ["y"])}
    confirms = {"both": ["parts"]}
    alone = graph_of(nodes, confirms=confirms, pipelines={"a": ["both"], "b": ["both", "other"]})
    together = graph_of(nodes, confirms=confirms)

    assert {"both"} == needed_nodes(alone, nodes=["both"])
    assert {"both", "other"} == needed_nodes(together, nodes=["both"])


def test_free_inputs_are_what_nobody_writes():
    """Free inputs are read and not written, transcoding stripped."""
    graph = graph_of({"A": (["raw@pandas"], ["a"]), "B": (["raw@spark", "a"], [])})

    assert ["raw"] == graph.free_inputs()


@pytest.mark.parametrize("kind", ["datasets", "nodes"])
def test_unknown_names_get_suggestions(kind):
    """A misspelt name is refused with the nearest ones."""
    graph = graph_of({"train_model": (["raw"], ["trained_model"])})

    with pytest.raises(UnknownNameError, match=r"Did you mean 'train(ed)?_model'"):
        needed_nodes(graph, **{kind: ["trainde_model" if kind == "datasets" else "train_modle"]})


def test_two_writers_of_one_dataset_are_refused():
    """Two nodes that write one dataset have no order; both are named, and the cure."""
    with pytest.raises(DuplicateNameError, match=r"'x'.*'A'.*'B'.*--pipeline"):
        graph_of({"A": (["r"], ["x@a"]), "B": (["r"], ["x@b"])})


def test_a_circle_is_refused_with_its_path():
    """Nodes that depend on each other in a circle are refused, with the circle."""
    graph = graph_of({"A": (["b"], ["a"]), "B": (["a"], ["b"])})

    with pytest.raises(CyclicPipelineError, match=r"A -> B -> A|B -> A -> B"):
        _ = graph.order


def test_a_deep_project_needs_no_deep_stack():
    """Three thousand nodes in a row, tied from end to end, are one group and no overflow."""
    nodes = {f"n{i:04}": ([f"d{i:04}"], [f"d{i + 1:04}"]) for i in range(3000)}

    plan = plan_groups(graph_of(nodes, memory={f"d{i:04}" for i in range(3001)}), nodes)

    assert [3000] == [len(group.nodes) for group in plan.groups]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (GroupPolicy(memory_datasets="stage"), [["A", "B"], ["C"]]),
        (GroupPolicy(memory_by_dataset={"*": "stage"}), [["A", "B"], ["C"]]),
        (GroupPolicy(memory_by_dataset={"a": "stage"}), [["A"], ["B"], ["C"]]),
    ],
)
def test_what_cannot_be_pickled_is_staged_by_name_only(policy, expected):
    """Its nodes stay together, unless the user says of this very dataset that it can cross."""
    manifest = graph_of(DIAMOND, memory={"a"}).manifest
    datasets = [
        msgspec.structs.replace(each, unpicklable="returns a lambda") if each.name == "a" else each
        for each in manifest.datasets
    ]
    graph = PipelineGraph(msgspec.structs.replace(manifest, datasets=datasets))

    assert expected == [group.nodes for group in plan_groups(graph, DIAMOND, policy).groups]


@st.composite
def random_graphs(draw):
    """A random DAG: nodes read what earlier ones write, by any transcoding; some of it in memory.

    Names are shuffled, so that their order says nothing of the topology.
    """
    count = draw(st.integers(1, 12))
    labels = draw(st.permutations([f"n{i:02}" for i in range(count)]))
    nodes: dict[str, tuple[list[str], list[str]]] = {}
    written: list[str] = ["raw"]
    for label in labels:
        inputs = draw(st.lists(st.sampled_from(written), max_size=3, unique=True))
        outputs = [f"{label}_{i}" for i in range(draw(st.integers(0, 2)))]
        reading = [name + draw(st.sampled_from(["", "", "@pandas"])) for name in inputs]
        nodes[label] = (reading, outputs)
        written += outputs
    memory = draw(st.sets(st.sampled_from(written[1:]))) if written[1:] else set()
    confirms = {
        label: [draw(st.sampled_from(written))] for label in labels if draw(st.integers(0, 9)) == 0
    }
    memory |= {f"{name}@pandas" for name in memory}
    return graph_of(nodes, memory=memory, confirms=confirms)


@st.composite
def random_plans(draw):
    """A graph, and the nodes that a random selection of it needs."""
    graph = draw(random_graphs())
    wanted = draw(st.sets(st.sampled_from(sorted(graph.nodes)), min_size=1))
    return graph, needed_nodes(graph, nodes=wanted), wanted


@given(random_plans())
def test_each_needed_node_runs_once(case):
    """Groups split the needed nodes: none is lost, none is run twice, none is added."""
    graph, needed, wanted = case

    planned = plan_groups(graph, needed).nodes

    assert sorted(needed) == sorted(planned)
    assert wanted <= needed


@given(random_plans())
def test_what_is_confirmed_was_loaded_in_the_same_process(case):
    """A group with a confirmer holds a node that loads what it confirms, if there is one."""
    graph, needed, _ = case
    readers: dict[str, set[str]] = {}
    for name, node in graph.nodes.items():
        for dataset in inputs_of(node):
            readers.setdefault(dataset, set()).add(name)

    for group in plan_groups(graph, needed).groups:
        confirmed = {name for node in group.nodes for name in graph.nodes[node].confirms}
        for dataset in confirmed & readers.keys():
            assert readers[dataset] & set(group.nodes), (group, dataset)


@given(random_plans())
def test_groups_can_be_run_one_after_another(case):
    """Whatever a group waits for stands before it in the plan; so the groups have no circle."""
    graph, needed, _ = case
    done: set[str] = set()

    for group in plan_groups(graph, needed).groups:
        assert set(group.upstream) <= done
        done.add(group.name)


@given(random_plans())
def test_groups_are_convex_over_all_edges(case):
    """No path leaves a group and comes back: what lies between two members is a member."""
    graph, needed, _ = case
    ancestors: dict[str, set[str]] = {}
    for name in sorted(needed, key=graph.order.__getitem__):
        before = graph.predecessors[name] & needed
        ancestors[name] = before.union(*(ancestors[each] for each in before))

    for group in plan_groups(graph, needed).groups:
        members = set(group.nodes)
        for name in needed - members:
            follows = ancestors[name] & members
            leads_back = any(name in ancestors[member] for member in members)
            assert not (follows and leads_back), (group, name)


@given(random_plans())
def test_inputs_exist_when_a_node_starts(case):
    """A node's inputs are persisted, or made before it in the same process."""
    graph, needed, _ = case
    saved_before: set[str] = set()

    for group in plan_groups(graph, needed).groups:
        made_here: set[str] = set()
        for name in group.nodes:
            for dataset in inputs_of(graph.nodes[name]):
                producer = graph.producers.get(dataset)
                if producer is None or dataset in made_here:
                    continue
                assert not graph.is_memory(dataset), (name, dataset)
                assert producer not in needed or dataset in saved_before, (name, dataset)
            made_here |= {each for each in graph.producers if graph.producers[each] == name}
        saved_before |= {each for each in made_here if not graph.is_memory(each)}


@given(random_plans())
def test_upstream_names_every_group_that_is_waited_for(case):
    """A group lists exactly the groups that hold a predecessor of its nodes."""
    graph, needed, _ = case
    plan = plan_groups(graph, needed)
    group_of = {node: group.name for group in plan.groups for node in group.nodes}

    for group in plan.groups:
        before = {graph_node for node in group.nodes for graph_node in graph.predecessors[node]}
        expected = {group_of[node] for node in before & needed} - {group.name}
        assert sorted(expected) == group.upstream


@given(random_plans())
def test_a_plan_is_the_same_every_time(case):
    """The order in which nodes are asked for changes nothing."""
    graph, needed, _ = case

    assert plan_groups(graph, sorted(needed)) == plan_groups(graph, sorted(needed, reverse=True))


@st.composite
def random_policies(draw, graph):
    """A way to group a graph's nodes: strategy, an explicit group, what is staged."""
    datasets = sorted(graph.producers)
    chosen = draw(st.lists(st.sampled_from(sorted(graph.nodes)), max_size=3, unique=True))
    return GroupPolicy(
        strategy=draw(st.sampled_from(["node", "namespace", "tag", "pipeline"])),
        groups={"mine": ExplicitGroup(nodes=chosen)} if chosen and draw(st.booleans()) else {},
        memory_datasets=draw(st.sampled_from(["group", "stage"])),
        memory_by_dataset=draw(
            st.dictionaries(
                st.sampled_from([*datasets, "n0*", "*_1"]),
                st.sampled_from(["group", "stage"]),
                max_size=2,
            )
        ),
    )


@st.composite
def random_grouped_plans(draw):
    """A graph with tags, namespaces, pipelines and doubts, what a selection needs, a policy."""
    plain = draw(random_graphs())
    labels = st.sampled_from([None, "a", "b", "a.c"])
    nodes = [
        msgspec.structs.replace(
            node,
            namespace=draw(labels),
            tags=[f"group.{tag}"] if (tag := draw(labels)) else [],
        )
        for node in plain.manifest.nodes
    ]
    datasets = [
        msgspec.structs.replace(dataset, unpicklable=draw(st.sampled_from([None, "is a lambda"])))
        if dataset.kind == "memory"
        else dataset
        for dataset in plain.manifest.datasets
    ]
    pipelines = [
        Pipeline(name=name, nodes=sorted(draw(st.sets(st.sampled_from(sorted(plain.nodes))))))
        for name in ("__default__", "one", "two")
    ]
    graph = PipelineGraph(
        msgspec.structs.replace(plain.manifest, nodes=nodes, datasets=datasets, pipelines=pipelines)
    )
    wanted = draw(st.sets(st.sampled_from(sorted(graph.nodes)), min_size=1))
    return graph, needed_nodes(graph, nodes=wanted), draw(random_policies(graph))


@given(random_grouped_plans())
def test_each_needed_node_runs_once_however_it_is_grouped(case):
    """No strategy loses, adds or repeats a node."""
    graph, needed, policy = case

    assert sorted(needed) == sorted(plan_groups(graph, needed, policy).nodes)


@given(random_grouped_plans())
def test_groups_have_no_circle_however_they_are_asked_for(case):
    """Edges between groups, taken from the nodes and not from the plan, always lead onwards."""
    graph, needed, policy = case
    plan = plan_groups(graph, needed, policy)
    place = {node: index for index, group in enumerate(plan.groups) for node in group.nodes}

    for name in needed:
        for before in graph.predecessors[name] & needed:
            assert place[before] <= place[name], (before, name)


@given(random_grouped_plans())
def test_groups_are_convex_however_they_are_asked_for(case):
    """No path leaves a group and comes back, whatever the strategy."""
    graph, needed, policy = case
    ancestors: dict[str, set[str]] = {}
    for name in sorted(needed, key=graph.order.__getitem__):
        before = graph.predecessors[name] & needed
        ancestors[name] = before.union(*(ancestors[each] for each in before))

    for group in plan_groups(graph, needed, policy).groups:
        members = set(group.nodes)
        above = set().union(*(ancestors[member] for member in members)) - members
        assert not [name for name in above if ancestors[name] & members], group


@given(random_grouped_plans())
def test_inputs_exist_when_a_group_starts(case):
    """What a node reads is persisted, staged by an earlier group, or made before it in its own."""
    graph, needed, policy = case
    plan = plan_groups(graph, needed, policy)
    left_behind: set[str] = set()

    for group in plan.groups:
        made_here: set[str] = set()
        for name in group.nodes:
            for dataset in inputs_of(graph.nodes[name]):
                producer = graph.producers.get(dataset)
                if producer is None or dataset in made_here:
                    continue
                assert not graph.is_memory(dataset) or dataset in plan.staged, (name, dataset)
                assert producer not in needed or dataset in left_behind, (name, dataset)
            made_here |= set(outputs_of(graph.nodes[name]))
        left_behind |= {
            each for each in made_here if not graph.is_memory(each) or each in plan.staged
        }


@given(random_grouped_plans())
def test_only_what_may_be_staged_is_staged(case):
    """Data that the policy keeps in memory never leaves its group, nor what cannot be pickled."""
    graph, needed, policy = case

    for dataset in plan_groups(graph, needed, policy).staged:
        assert graph.is_memory(dataset)
        assert policy.may_stage(dataset)
        assert dataset in policy.memory_by_dataset or graph.unpicklable(dataset) is None


@given(random_grouped_plans())
def test_doubts_change_nothing_but_staging(case):
    """Keeping a dataset's nodes together by name gives the plan that a doubt about it gives."""
    graph, needed, policy = case
    doubted = {name for name in graph.datasets if graph.unpicklable(name) is not None}
    sure = [
        msgspec.structs.replace(dataset, unpicklable=None) for dataset in graph.manifest.datasets
    ]
    trusting = PipelineGraph(msgspec.structs.replace(graph.manifest, datasets=sure))
    kept = dict.fromkeys(doubted, "group") | policy.memory_by_dataset
    by_name = msgspec.structs.replace(policy, memory_by_dataset=kept)

    assert plan_groups(trusting, needed, by_name) == plan_groups(graph, needed, policy)


@given(random_grouped_plans())
def test_nodes_of_one_label_share_a_group(case):
    """What was asked for is done, at the price of wider groups."""
    graph, needed, policy = case
    labels = label_nodes(graph, policy)
    plan = plan_groups(graph, needed, policy)
    group_of = {node: group.name for group in plan.groups for node in group.nodes}

    homes: dict[object, set[str]] = {}
    for name in needed:
        homes.setdefault(labels[name], set()).add(group_of[name])
    assert all(len(names) == 1 for names in homes.values())


@given(random_grouped_plans())
def test_refusing_refuses_exactly_what_widening_widens(case):
    """`on_cycle: refuse` raises if and only if `widen` warns; otherwise both plans are one."""
    graph, needed, policy = case
    refusing = msgspec.structs.replace(policy, on_cycle="refuse")
    widened = plan_groups(graph, needed, policy)

    if widened.warnings:
        with pytest.raises(GroupCycleError):
            plan_groups(graph, needed, refusing)
    else:
        assert widened == plan_groups(graph, needed, refusing)


@given(random_grouped_plans())
def test_several_labels_without_a_warning_are_bound_by_data(case):
    """A group that holds more than was asked for is explained: by data alone, or by a warning."""
    graph, needed, policy = case
    labels = label_nodes(graph, policy)
    by_data = msgspec.structs.replace(policy, strategy="node", groups={})
    unavoidable = {tuple(group.nodes) for group in plan_groups(graph, needed, by_data).groups}
    plan = plan_groups(graph, needed, policy)

    for group in plan.groups:
        mixed = len({labels[name] for name in group.nodes}) > 1
        if mixed and not plan.warnings:
            assert tuple(group.nodes) in unavoidable
