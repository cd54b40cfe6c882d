// Loaded before Gemini CLI: no file of a project chooses whom prompts are sent to.
//
// Three ways of the program lead past ~/.gemini (0.61.0): a project's .gemini/.env is read instead of the home's,
// even with advanced.ignoreLocalEnv; its .gemini/settings.json may choose another kind of log-in, which has another
// host; and its telemetry sends prompts to any address.  The program's own answer, a file of system settings, counts
// only if root owns it and all folders above it, and a folder without trust loses -y, MCP servers and commands.
//
// advanced.ignoreLocalEnv in ~/.gemini/settings.json is the switch: without it, nothing is done here.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { homedir } from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';

const FOLDER = path.join(process.env.GEMINI_CLI_HOME || homedir(), '.gemini');
const OURS = ['GEMINI_API_KEY', 'GEMINI_API_KEY_AUTH_MECHANISM', 'GOOGLE_GEMINI_BASE_URL', 'GEMINI_CLI_CUSTOM_HEADERS'];
// Set, even to nothing, they are not taken from a file.
const OTHERS = ['GOOGLE_GENAI_USE_VERTEXAI', 'GOOGLE_GENAI_USE_GCA', 'GOOGLE_API_KEY', 'GOOGLE_VERTEX_BASE_URL',
  'CODE_ASSIST_ENDPOINT', 'GEMINI_TELEMETRY_ENABLED', 'GEMINI_CLI_HOME'];
const read = fs.readFileSync;

const settings = parse(text('settings.json'));
if (settings?.advanced?.ignoreLocalEnv) {
  const variables = parseEnv(text('.env'));
  for (const name of OURS) if (name in variables) process.env[name] = variables[name];
  for (const name of OTHERS) process.env[name] ??= '';
  fs.readFileSync = (file, ...options) => {
    const content = read(file, ...options);
    return typeof content === 'string' && isProjects(file) ? withoutHosts(content) : content;
  };
  syncBuiltinESMExports();
}

function text(name) {
  try {
    return read(path.join(FOLDER, name), 'utf8');
  } catch {
    return '';
  }
}

function isProjects(file) {
  const isSettings = typeof file === 'string' && file.endsWith(path.join('.gemini', 'settings.json'));
  return isSettings && path.dirname(file) !== FOLDER;
}

// What the program cannot parse, it does not use either.
function withoutHosts(content) {
  const settings = parse(content);
  if (settings === null || typeof settings !== 'object') return content;
  const { telemetry, privacy, advanced, ...others } = settings;
  if (others.security) delete others.security.auth;
  return JSON.stringify(others);
}

// JSON with comments, as the program reads it.
function parse(content) {
  try {
    return JSON.parse(content.replace(/("(?:\\.|[^"\\])*")|\/\/.*|\/\*[^]*?\*\//g, '$1'));
  } catch {
    return null;
  }
}
