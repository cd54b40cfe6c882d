/** The Databricks CLI of terminals, and the skills that all agents have. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Skill } from '../status/model';
import { Button, Message, Section } from '../widgets/parts';
import type { Context } from './context';

export function DatabricksTools({ store, actions, trans }: Context): React.ReactElement | null {
  const tools = store.status.databricks;
  if (!tools) {
    return null;
  }
  const { cli, skills = [], problems = [], is_updating } = tools;
  return (
    <Section title={trans.__('Databricks CLI and skills')}>
      <p className="jp-DbxAgents-line" title={cli.program}>
        <span className="jp-DbxAgents-grow">{trans.__('Databricks CLI')}</span>
        <span className="jp-DbxAgents-quiet">{cli.version || trans.__('not installed')}</span>
      </p>
      <Message message={cli.message} hint={cli.hint} isBad={false} />
      {skills.length > 0 && (
        <details>
          <summary>
            {trans._n('%1 skill, for all agents', '%1 skills, for all agents', skills.length)}
          </summary>
          <ul>
            {skills.map(skill => (
              <li key={skill.name} className="jp-DbxAgents-line" title={skill.description}>
                <span className="jp-DbxAgents-grow">{skill.name}</span>
                <span className="jp-DbxAgents-quiet">{sourceOf(skill, trans)}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
      {problems.map(({ message, hint }) => (
        <Message key={message} message={message} hint={hint} isBad={false} />
      ))}
      <div className="jp-DbxAgents-buttons">
        {is_updating ? (
          <span className="jp-DbxAgents-quiet">{trans.__('Updating…')}</span>
        ) : (
          <Button
            label={trans.__('Update')}
            name={trans.__('Update the Databricks CLI and the skills')}
            onClick={() => actions.updateTools()}
          />
        )}
      </div>
    </Section>
  );
}

/** Return whose a skill is. */
function sourceOf({ source }: Skill, trans: TranslationBundle): string {
  const names: Record<string, string> = {
    databricks: 'Databricks',
    company: trans.__('company'),
    yours: trans.__('yours'),
    app: trans.__('this app')
  };
  return names[source] ?? source;
}
