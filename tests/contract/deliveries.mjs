// Reports deliveries of security events to the web app, and prints what it logs after each, as JSON.
import { Connections } from "../../frontend/lib/connections.ts";
import { DeliveryProblem } from "../../frontend/lib/delivery-problem.ts";

const [url, lifetime, deliveries] = process.argv.slice(2);
let lines = [];
for (const level of ["warn", "info"]) console[level] = (line) => lines.push(line);

const connections = new Connections(url);
const problem = new DeliveryProblem(connections, Number(lifetime));
const logged = [];
for (const { events, ...delivery } of JSON.parse(deliveries)) {
  await problem.note(events, delivery);
  logged.push(lines);
  lines = [];
}
await connections.end();
console.log(JSON.stringify(logged));
