// Checks Rust: cargo, rustc, the wasm target, and for tests rustfmt and clippy. What rustup can add, it adds.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Stop } from './plain.mjs';
import { run } from './processes.mjs';

export const WASM_TARGET = 'wasm32-unknown-unknown';

/** `rust-version` of the crates that the Worker is made of. */
const MIN_RUSTC = [1, 91];

export async function ensureRust({ forTests }) {
  const [rustc, cargo, linker] = await Promise.all([
    run('rustc', ['--version'], { quiet: true }),
    run('cargo', ['--version'], { quiet: true }),
    run('cc', ['--version'], { quiet: true }),
  ]);
  checkVersions(rustc, cargo);
  if (linker.missing) {
    throw new Stop(
      'Rust needs a C linker (`cc`): install one (Debian, Ubuntu: `apt-get install build-essential`; ' +
        'macOS: `xcode-select --install`) and run this again.',
    );
  }
  await ensureWasmTarget();
  if (forTests) await ensureComponents();
}

function checkVersions(rustc, cargo) {
  if (rustc.missing || cargo.missing) {
    throw new Stop('Rust is missing: install it as https://rustup.rs says (one command) and run this again.');
  }
  if (!rustc.ok || !cargo.ok) {
    throw new Stop(`Rust does not run ("${firstLine(rustc.ok ? cargo : rustc)}"): try \`rustup default stable\`.`);
  }
  const [, major, minor] = rustc.output.match(/rustc (\d+)\.(\d+)/)?.map(Number) ?? [0, 0, 0];
  if (major < MIN_RUSTC[0] || (major === MIN_RUSTC[0] && minor < MIN_RUSTC[1])) {
    throw new Stop(
      `Rust ${MIN_RUSTC.join('.')} or newer is needed and this is ${major}.${minor}: run \`rustup update stable\`, ` +
        'or without rustup install Rust as https://rustup.rs says.',
    );
  }
}

async function ensureWasmTarget() {
  const hasTarget = async () => {
    const { output } = await run('rustc', ['--print', 'sysroot'], { quiet: true });
    return existsSync(path.join(output.trim(), 'lib', 'rustlib', WASM_TARGET, 'lib'));
  };
  if (await hasTarget()) return;
  console.log(`Adding Rust's ${WASM_TARGET} target …`);
  const added = await run('rustup', ['target', 'add', WASM_TARGET], { quiet: true });
  if (await hasTarget()) return;
  throw new Stop(
    added.missing
      ? `Rust's ${WASM_TARGET} target is missing and there is no rustup to add it: install Rust as https://rustup.rs says.`
      : `Rust's ${WASM_TARGET} target is missing and rustup could not add it ("${firstLine(added)}"): ` +
          `run \`rustup target add ${WASM_TARGET}\` with network access.`,
  );
}

async function ensureComponents() {
  const lacking = async () => {
    const [fmt, clippy] = await Promise.all([
      run('cargo', ['fmt', '--version'], { quiet: true }),
      run('cargo', ['clippy', '--version'], { quiet: true }),
    ]);
    return [...(fmt.ok ? [] : ['rustfmt']), ...(clippy.ok ? [] : ['clippy'])];
  };
  const before = await lacking();
  if (before.length === 0) return;
  console.log(`Adding Rust's ${before.join(' and ')} …`);
  await run('rustup', ['component', 'add', ...before], { quiet: true });
  const after = await lacking();
  if (after.length === 0) return;
  throw new Stop(`The tests need Rust's ${after.join(' and ')}: run \`rustup component add ${after.join(' ')}\`.`);
}

/** The first line that says something, for a message. */
function firstLine({ output }) {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.find((line) => /error/i.test(line)) ?? lines[0] ?? 'no message';
}
