#!/usr/bin/env python3
"""Checks dashboards/grafana/*.json against Grafana's own types.

Usage: dashboards_typed.py SOURCE_DIR NPM_DIR. NPM_DIR holds node_modules with @grafana/schema and typescript; without
it the test is skipped and says how to get it. Dashboards, variables, panel options, field options and queries become
constants of their types in a TypeScript program, and the compiler judges it. The test proves itself first: planted
mistakes of each kind must be found.
"""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

SKIPPED = 77
PACKAGES = "@grafana/schema@13.2.3 typescript@5"
RAW = "@grafana/schema/dist/esm/raw/composable/{0}/panelcfg/x/{1}PanelCfg_types.gen"
# Panel -> (type of its options, type of its custom field options); MODULES -> where its types are.
PANELS = {"stat": ("stat.Options", None), "bargauge": ("bargauge.Options", None),
          "table": ("table.Options", "table.FieldConfig"),
          "timeseries": ("timeseries.Options", "timeseries.FieldConfig")}
MODULES = {"stat": "Stat", "bargauge": "BarGauge", "table": "Table", "timeseries": "TimeSeries"}
# The package lacks the type of a Prometheus query. Enumerations are names in Grafana's code and texts in JSON.
HEAD = """import type { Dashboard } from '@grafana/schema';
%s
type Text<T> = T extends string ? `${T}` : T extends (infer U)[] ? Text<U>[]
  : T extends object ? { [K in keyof T]: Text<T[K]> } : T;
type Query = { refId: string; expr: string; legendFormat: string; instant: boolean; range: boolean;
  format: 'table' | 'time_series' };
""" % "\n".join(f"import type * as {name} from '{RAW.format(name, module)}';" for name, module in MODULES.items())


def program(dashboards):
    lines = [HEAD]
    for name, dashboard in dashboards.items():
        lines.append(f"export const {name}: Text<Dashboard> = {json.dumps(dashboard)};")
        for panel in dashboard["panels"]:
            if panel["type"] == "row":
                continue
            options, custom = PANELS[panel["type"]]
            place = f"{name}_{panel['id']}"
            lines.append(f"export const {place}_options: Text<Partial<{options}>> = {json.dumps(panel['options'])};")
            fields = panel["fieldConfig"]["defaults"]["custom"]
            if custom:
                lines.append(f"export const {place}_fields: Text<Partial<{custom}>> = {json.dumps(fields)};")
            elif fields:
                lines.append(f"export const {place}_fields: never = {json.dumps(fields)};")
            for target in panel["targets"]:
                # The data source's plugin adds its own reference to the query's type.
                query = {key: value for key, value in target.items() if key != "datasource"}
                lines.append(f"export const {place}_{target['refId']}: Query = {json.dumps(query)};")
    return "\n".join(lines) + "\n"


def compile_program(npm, text):
    with tempfile.TemporaryDirectory(dir=npm, prefix="dashboards-") as directory:
        path = pathlib.Path(directory) / "dashboards.ts"
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(
            ["node", str(npm / "node_modules" / "typescript" / "bin" / "tsc"), "--noEmit", "--strict", "--skipLibCheck",
             "--moduleResolution", "bundler", "--module", "esnext", "--target", "es2022", str(path)],
            capture_output=True, text=True, check=False, timeout=300)
        shown = []
        lines = text.splitlines()
        for error in done.stdout.splitlines():
            where, _, message = error.partition(": error ")
            number = where.rpartition("(")[2].partition(",")[0]
            place = lines[int(number) - 1].split(":", 1)[0].removeprefix("export const ") if number.isdigit() else "?"
            shown.append(f"{place}: {message or error}")
        return done.returncode, shown


def mistakes(dashboard):
    """Dashboards that are wrong in one place each."""
    first = next(index for index, panel in enumerate(dashboard["panels"]) if panel["type"] != "row")

    def wrong(change):
        planted = copy.deepcopy(dashboard)
        change(planted, planted["panels"][first])
        return planted

    return {
        "refresh": wrong(lambda board, panel: board.update(refresh=60)),
        "variable": wrong(lambda board, panel: board["templating"]["list"][0].update(type="dropdown")),
        "place": wrong(lambda board, panel: panel["gridPos"].pop("w")),
        "color": wrong(lambda board, panel: panel["fieldConfig"]["defaults"]["color"].update(mode="tresholds")),
        "option": wrong(lambda board, panel: panel["options"].update(grafMode="area")),
        "query": wrong(lambda board, panel: panel["targets"][0].update(expression="up")),
    }


def main():
    root, npm = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for package in ("@grafana/schema", "typescript"):
        if not (npm / "node_modules" / package).is_dir():
            print(f"SKIPPED: no {package} below {npm}; npm install --prefix {npm} {PACKAGES}")
            return SKIPPED
    dashboards = {path.stem: json.loads(path.read_text(encoding="utf-8"))
                  for path in sorted((root / "dashboards" / "grafana").glob("*.json"))}
    assert dashboards, "no dashboards"
    planted = mistakes(dashboards["overview"])
    _, found = compile_program(npm, program(planted))
    missed = [name for name in planted if not any(line.partition(":")[0].partition("_")[0] == name for line in found)]
    if missed:
        print("planted mistakes were not found:", ", ".join(missed))
        return 1
    code, found = compile_program(npm, program(dashboards))
    print("\n".join(found + [f"{len(dashboards)} dashboards, {len(found)} complaints"]))
    return 1 if code or found else 0


if __name__ == "__main__":
    sys.exit(main())
