/** The MCP servers that all agents are offered: switches, number of tools, the last error. */

import * as React from 'react';
import type { McpServer } from '../status/model';
import { Switch } from '../widgets/choices';
import { Button, Message, Section, State } from '../widgets/parts';
import type { Context } from './context';

type Part = Pick<Context, 'actions' | 'trans'>;

export function McpServers({ store, actions, trans }: Context): React.ReactElement | null {
  const servers = store.status.mcp;
  if (!servers?.length) {
    return null;
  }
  return (
    <Section title={trans.__('Tools of the workspace (MCP)')}>
      <ul>
        {servers.map(server => (
          <ServerLine key={server.name} server={server} actions={actions} trans={trans} />
        ))}
      </ul>
      <Adding actions={actions} trans={trans} />
    </Section>
  );
}

function ServerLine({ server, actions, trans }: { server: McpServer } & Part): React.ReactElement {
  const { name, state, tools = 0 } = server;
  const isKnown = state === 'ready' || state === 'failed';
  return (
    <li>
      <div className="jp-DbxAgents-line">
        <label className="jp-DbxAgents-mcp jp-DbxAgents-line" title={server.address}>
          <Switch
            name={trans.__('Offer %1 to the agents', name)}
            isOn={server.enabled !== false}
            choose={isOn => actions.switchMcp(name, isOn)}
          />
          <span>{server.title ?? name}</span>
        </label>
        <span className="jp-DbxAgents-quiet">
          {isKnown && trans._n('%1 tool', '%1 tools', tools)}
          {server.read_only && ` · ${trans.__('read-only')}`}
        </span>
        {!server.is_foreign && <State state={state} trans={trans} />}
      </div>
      <Message message={server.message} hint={server.hint} isBad={state === 'failed'} />
      <div className="jp-DbxAgents-buttons">
        {state === 'failed' && (
          <Button
            label={trans.__('Try again')}
            name={trans.__('Check %1', name)}
            onClick={() => actions.checkMcp(name)}
          />
        )}
        {server.is_added && (
          <Button
            label={trans.__('Remove')}
            name={trans.__('Remove %1', name)}
            onClick={() => actions.removeMcp(name)}
          />
        )}
      </div>
    </li>
  );
}

/** A name and an address, for a server of the workspace or any other one with a URL. */
function Adding({ actions, trans }: Part): React.ReactElement {
  const [isOpen, setOpen] = React.useState(false);
  const [name, setName] = React.useState('');
  const [address, setAddress] = React.useState('');
  if (!isOpen) {
    return <Button label={trans.__('Add a server…')} onClick={() => setOpen(true)} />;
  }
  const add = (event: React.FormEvent): void => {
    event.preventDefault();
    actions.addMcp(name.trim(), address.trim(), () => {
      setOpen(false);
      setName('');
      setAddress('');
    });
  };
  return (
    <form onSubmit={add}>
      <input
        className="jp-mod-styled"
        aria-label={trans.__('Name of the server')}
        placeholder={trans.__('Name, such as sales')}
        required
        value={name}
        onChange={event => setName(event.target.value)}
      />
      <input
        className="jp-mod-styled"
        aria-label={trans.__('Address of the server')}
        placeholder="/api/2.0/mcp/genie/…"
        required
        value={address}
        onChange={event => setAddress(event.target.value)}
      />
      <div className="jp-DbxAgents-buttons">
        <button type="submit" className="jp-mod-styled">
          {trans.__('Add')}
        </button>
        <Button label={trans.__('Cancel')} onClick={() => setOpen(false)} />
      </div>
    </form>
  );
}
