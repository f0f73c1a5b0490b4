// nodemailer's pooled transport with DKIM, for comparison: mails given whole, or composed from text and HTML.

const fs = require("fs");
const nodemailer = require("nodemailer");

const order = JSON.parse(fs.readFileSync(0));
const raw = fs.readFileSync(order.message);
const leave = "<https://news.example.org/unsubscribe/2s3f.1.2s3f.jPZbTzSPs3Y0iNpQkh5nVq0Xv9l8m7k6j5h4g3f2d1s>";
const composed = { from: order.sender, to: order.recipient, headers: { "List-Unsubscribe": leave }, ...order.parts };
const mail = order.parts ? composed : { raw };
const envelope = { from: order.sender, to: [order.recipient] };
const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port: order.port,
  pool: true,
  maxConnections: order.connections,
  maxMessages: Infinity,
  ignoreTLS: true,
  dkim: order.dkim,
});

async function line(turns) {
  while (turns.left-- > 0) await transport.sendMail({ envelope, ...mail });
}

async function main() {
  const lines = (count) => {
    const turns = { left: count };
    return Promise.all(Array.from({ length: order.connections }, () => line(turns)));
  };
  // The first mails open the connections and let the compiler see the code.
  await lines(order.connections * 4);
  const cpu = process.cpuUsage();
  const started = process.hrtime.bigint();
  await lines(order.count);
  const took = process.cpuUsage(cpu);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(JSON.stringify({ cpu_seconds: (took.user + took.system) / 1e6, seconds }));
  transport.close();
}

main();
