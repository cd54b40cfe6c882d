/** The small parts that the launcher is made of. */

import { LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

interface CardProps {
  category: string;
  icon: LabIcon;
  title: string;
  label: string;
  lines?: (string | undefined)[];
  isOff?: boolean;
  onClick: () => void;
}

/** A card that starts something; `lines` are what there is to know before that. */
export function Card(props: CardProps): React.ReactElement {
  const { category, icon, title, label, lines = [], isOff, onClick } = props;
  return (
    <button
      type="button"
      className="jp-LauncherCard"
      data-category={category}
      title={title}
      aria-disabled={isOff || undefined}
      onClick={isOff ? undefined : onClick}
    >
      <icon.react tag="span" className="jp-DbxAgents-cardIcon" width="32px" height="32px" />
      <span className="jp-LauncherCard-label">{label}</span>
      {lines.filter(Boolean).map(line => (
        <span key={line} className="jp-DbxAgents-quiet">
          {line}
        </span>
      ))}
    </button>
  );
}

/** An icon of one of JupyterLab's commands, or of a kernel. */
export function Icon(props: {
  icon: LabIcon | LabIcon.IMaybeResolvable | undefined;
  iconClass: string;
  url: string | undefined;
}): React.ReactElement {
  const { icon, iconClass, url } = props;
  return url ? (
    <img src={url} alt="" width="16" height="16" />
  ) : (
    <LabIcon.resolveReact icon={icon} iconClass={iconClass} tag="span" width="16px" height="16px" />
  );
}
