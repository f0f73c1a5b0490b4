// nodemailer's pooled transport with DKIM, for comparison: the mail is given whole, so it composes nothing.

const fs = require("fs");
const nodemailer = require("nodemailer");

const order = JSON.parse(process.argv[2]);
const raw = fs.readFileSync(order.message);
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
  while (turns.left-- > 0) await transport.sendMail({ envelope, raw });
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
